-- SPDX-License-Identifier: Apache-2.0
--
-- Counts one in a window of time.
--
-- KEYS: the counters, their ends, the tables of kinds.
-- ARGV: the id, now, when a window that begins now ends, how many counters may
-- run, and the name of the table. Times are in microseconds.
-- Returns the count and the end of its window; nothing if too many run.

local id, now, ends = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local n = 0
local record = redis.call('HGET', KEYS[1], id)
if record then
  local count, running = string.match(record, '^(%d+) (%d+)$')
  if now < tonumber(running) then
    n, ends = tonumber(count), running
  end
elseif redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then
  return {}
else
  redis.call('ZADD', KEYS[3], 0, ARGV[5])
end
n = n + 1
redis.call('HSET', KEYS[1], id, string.format('%d %s', n, ends))
redis.call('ZADD', KEYS[2], ends, id)
return {n, tonumber(ends)}
