-- Takes a token from every bucket, or from none.
--
-- KEYS[1]  hash: bucket -> when it will be full, microseconds since the epoch on this server's clock
-- ARGV[1]  milliseconds that full buckets are kept
-- and for each bucket its name, the microseconds between two tokens (in quarters), the microseconds in which it fills
--
-- Answers 0 and the tokens left in each bucket, or the place of the bucket with the longest wait and that wait.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local tightest, longest, latest = 0, 0, 0
local bases = {}
for at = 2, #ARGV, 3 do
  local interval, depth = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local full_at = tonumber(redis.call('HGET', KEYS[1], ARGV[at]) or now)
  local base = math.min(math.max(full_at, now), now + depth)
  -- Further from full than it can be: this clock was set back, or the burst was cut.
  if base < full_at then redis.call('HSET', KEYS[1], ARGV[at], string.format('%.2f', base)) end
  local over = base + interval - now - depth
  if over > longest then tightest, longest = (at + 1) / 3, over end
  bases[at] = base
end
if tightest > 0 then return { tightest, math.ceil(longest) } end
local answer = { 0 }
for at = 2, #ARGV, 3 do
  local interval, depth = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local full_at = bases[at] + interval
  redis.call('HSET', KEYS[1], ARGV[at], string.format('%.2f', full_at))
  latest = math.max(latest, full_at)
  answer[#answer + 1] = math.floor((depth - (full_at - now)) / interval)
end
local kept = math.ceil((latest - now) / 1000) + ARGV[1]
if kept > redis.call('PTTL', KEYS[1]) then redis.call('PEXPIRE', KEYS[1], kept) end
return answer
