-- Notes that a gateway is there and answers how many are.
--
-- KEYS[1]  sorted set: gateway -> when it was last seen, milliseconds since the epoch on this server's clock
-- ARGV[1]  the gateway
-- ARGV[2]  milliseconds of silence after which a gateway does not count any more
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('ZCARD', KEYS[1])
