-- Returns the records whose lease has not ended, and removes the others.
-- KEYS: records (hash), leases (sorted set, by the end in ms).
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local ended = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now)
for _, name in ipairs(ended) do
	redis.call('HDEL', KEYS[1], name)
	redis.call('ZREM', KEYS[2], name)
end
return redis.call('HGETALL', KEYS[1])
