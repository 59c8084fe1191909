-- Notes how many of something a replica has, unless all that live would have
-- more than the limit.
-- KEYS: leases (sorted set, by the end in ms), counts of that thing (hash).
-- ARGV: name, count, limit or -1, time in ms after which all may be forgotten.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local sum = tonumber(ARGV[2])
local counts = redis.call('HGETALL', KEYS[2])
for i = 1, #counts, 2 do
	if counts[i] ~= ARGV[1] then
		local ends = redis.call('ZSCORE', KEYS[1], counts[i])
		if not ends then
			redis.call('HDEL', KEYS[2], counts[i])
		elseif tonumber(ends) > now then -- or it may live again
			sum = sum + counts[i + 1]
		end
	end
end
local limit = tonumber(ARGV[3])
if limit >= 0 and sum > limit then
	return 0
end
if ARGV[2] == '0' then
	redis.call('HDEL', KEYS[2], ARGV[1])
else
	redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
	redis.call('PEXPIRE', KEYS[2], ARGV[4])
end
return 1
