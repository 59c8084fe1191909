-- SPDX-License-Identifier: Apache-2.0
--
-- Makes all changes of a transaction, or none if what it rests on has changed.
--
-- KEYS[1] to KEYS[4]: the last position, and the revocations: records, ids, ends.
-- ARGV[1]: how many guards there are. Then come guards, and after them changes;
-- each has four words: what, the number of the key, and two that depend on it.

local function words(i)
  return ARGV[i], KEYS[tonumber(ARGV[i + 1])], ARGV[i + 2], ARGV[i + 3]
end

local last = 1 + 4 * tonumber(ARGV[1])
for i = 2, last, 4 do
  local what, key, a, b = words(i)
  local holds
  if what == 'same' then
    holds = redis.call('HGET', key, a) == b
  elseif what == 'none' then
    holds = redis.call('HEXISTS', key, a) == 0
  elseif what == 'room' then
    holds = redis.call('HLEN', key) < tonumber(a)
  end
  if not holds then
    return 0
  end
end

-- Positions follow the clock, so that they grow even if the last one was lost in
-- a crash: a reader that knows a later one would miss what comes next.
local function next_position()
  local now = redis.call('TIME')
  local position = math.max(tonumber(redis.call('GET', KEYS[1]) or '0') + 1, now[1] * 1000000 + now[2])
  local id = string.format('%016.0f', position)
  redis.call('SET', KEYS[1], id)
  return id
end

for i = last + 1, #ARGV, 4 do
  local what, key, a, b = words(i)
  if what == 'put' then
    redis.call('HSET', key, a, b)
  elseif what == 'delete' then
    redis.call('HDEL', key, a)
  elseif what == 'add' then
    redis.call('ZADD', key, b, a)
  elseif what == 'remove' then
    redis.call('ZREM', key, a)
  elseif what == 'list' then
    local id = next_position()
    redis.call('HSET', KEYS[2], id, a)
    redis.call('ZADD', KEYS[3], 0, id)
    redis.call('ZADD', KEYS[4], b, id)
  end
end
return 1
