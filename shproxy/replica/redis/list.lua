-- Returns the records whose lease has not ended, and removes the others. That
-- there was a lease is remembered for a while, and with it the counts.
-- KEYS: records (hash), leases (sorted set, by the end in ms).
-- ARGV: time in ms after its end at which a lease is forgotten.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local ended = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now)
for _, name in ipairs(ended) do
	redis.call('HDEL', KEYS[1], name)
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[1])
return redis.call('HGETALL', KEYS[1])
