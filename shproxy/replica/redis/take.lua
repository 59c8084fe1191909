-- Takes some of what is earned at a steady rate (generic cell rate algorithm),
-- and returns 0, or takes nothing and returns how many µs it has to wait.
-- KEYS: when all that was taken will have been earned, in µs.
-- ARGV: how many µs it takes to earn what has to be there, the whole burst, and
-- what is taken, which may be more.
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local earned = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
local wait = earned + ARGV[1] - now - ARGV[2]
if wait > 0 then
	return wait
end
earned = earned + ARGV[3]
redis.call('SET', KEYS[1], string.format('%.0f', earned), 'PX', math.max(1, math.ceil((earned - now) / 1000)))
return 0
