-- Charges a bucket with what a gateway let through and answers how far it is from being full, in microseconds.
--
-- KEYS[1]  when the bucket will be full, microseconds since the epoch on this server's clock
-- ARGV[1]  time that the calls let through cost; negative when more was given back than taken
-- ARGV[2]  how far from full the gateway believed it to be before them; holds where the key is gone
-- ARGV[3]  furthest from full that a bucket can be
-- ARGV[4]  milliseconds that a full bucket is kept
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local full_at = tonumber(redis.call('GET', KEYS[1]))
local ahead = full_at and full_at - now or tonumber(ARGV[2])
ahead = math.max(math.min(math.max(ahead, 0) + ARGV[1], tonumber(ARGV[3])), 0)
redis.call('SET', KEYS[1], string.format('%.0f', now + ahead), 'PX', math.ceil(ahead / 1000) + ARGV[4])
return ahead
