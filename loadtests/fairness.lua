-- Requests of one tenant: `wrk -s fairness.lua URL -- API KEYS FIRST_KEY DELAY_MS`. Each connection waits between two requests
-- for times that are exponentially distributed around the delay.

local prepared, mean_ms = {}, 0

function init(args)
  local api, keys, first = args[1], tonumber(args[2]), tonumber(args[3])
  mean_ms = tonumber(args[4])
  math.randomseed(first + 1)
  for n = 1, 256 do
    local key = first + (n * 7919) % keys
    prepared[n] = wrk.format("GET", string.format("/_api/%s/dev/items/%d", api, n), {
      ["Host"] = "gateway.test",
      ["X-Api-Key"] = string.format("key-%020d", key),
    })
  end
end

function request()
  return prepared[math.random(#prepared)]
end

function delay()
  return math.floor(-math.log(1 - math.random()) * mean_ms + math.random())
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"answered": %d, "seconds": %.3f, "refused": %d, "broken": %d, "p50_us": %d, "p99_us": %d}\n',
    summary.requests, summary.duration / 1e6, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, latency:percentile(50), latency:percentile(99)))
end
