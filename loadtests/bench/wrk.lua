-- Requests of the load tests for wrk: `wrk -s wrk.lua URL -- KEYS ACTIVE APIS ROUTES RATE_PER_CONNECTION SEED`.
-- KEYS keys exist, ACTIVE of them are used; key n opens the ten APIs of its plan. With a rate, each connection waits between its
-- requests for times that are exponentially distributed around 1/rate.

local prepared = {}
local mean_ms

function init(args)
  local keys, active, apis, routes = tonumber(args[1]), tonumber(args[2]), tonumber(args[3]), tonumber(args[4])
  local rate = tonumber(args[5])
  if rate > 0 then mean_ms = 1000 / rate end
  math.randomseed(tonumber(args[6]))
  local plans = math.ceil(apis / 10)
  for n = 1, 2 * active do
    local key = math.floor((n % active) * (keys / active))
    local plan = key % plans
    local api = plan * 10 + math.random(0, math.min(10, apis - plan * 10) - 1)
    local path = string.format("/prod/res%d/items/%d", math.random(0, routes - 1), n)
    prepared[n] = wrk.format("GET", path, {
      ["Host"] = string.format("api%07d.execute-api.localhost", api),
      ["X-Api-Key"] = string.format("tg_live_%08d_0123456789abcdef0123", key),
      ["User-Agent"] = "wrk",
      ["Accept"] = "application/json",
    })
  end
end

function request()
  return prepared[math.random(#prepared)]
end

function delay()
  if not mean_ms then return 0 end
  return math.floor(-math.log(1 - math.random()) * mean_ms + math.random())
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"answered": %d, "seconds": %.6f, "bytes": %d, "refused": %d, "broken": %d, "p50_us": %d, "p99_us": %d, "max_us": %d}\n',
    summary.requests, summary.duration / 1e6, summary.bytes, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, latency:percentile(50), latency:percentile(99), latency.max))
end
