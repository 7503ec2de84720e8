-- Requests as the tracker sends them: three events, about 2 KB, ids and sessions varying.
-- Arguments after `--`: source id, run number (so that ids differ between runs), `single` for one event instead of three,
-- milliseconds that each connection pauses before a request, on average.
local threads = {}

function setup(thread)
  table.insert(threads, thread)
  thread:set("number", #threads)
end

local head, prefix
local sequence = 0

local function uuid(millis, count, salt)
  return string.format("%08x-%04x-7%03x-8%03x-%012x", math.floor(millis / 65536), millis % 65536, count % 4096, salt % 4096, count)
end

local page = '"context":{"page":{"url":"https://shop.example.com/glasses/sun?utm_source=news","path":"/glasses/sun","title":"Sun glasses - Badoo","referrer":"https://www.example.org/search?q=sun+glasses"}}'

function init(args)
  local source, run = args[1], tonumber(args[2])
  local now = os.date("!%Y-%m-%dT%H:%M:%S.000Z")
  prefix = run * 64 + number
  head = '{"source":{"id":"' .. source .. '"},"session":{"id":"%s"},"profile":null,"device":{"id":"%s"},'
    .. '"context":{"browser":{"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.0.0 Safari/537.36",'
    .. '"language":"en-US","languages":["en-US","en"],"platform":"Linux x86_64","cookieEnabled":true,"timezone":"Europe/London"},'
    .. '"screen":{"width":1280,"height":720,"availWidth":1280,"availHeight":720,"colorDepth":24,"innerWidth":1280,"innerHeight":720,"devicePixelRatio":1},'
    .. '"utm":{"source":"news","medium":"email","campaign":"autumn"}},"sentAt":"' .. now .. '","events":['
    .. '{"id":"%s","type":"purchase-order","time":{"create":"' .. now .. '"},"properties":{"product":"Sun glasses - Badoo","price":13.45},' .. page .. ',"options":{}},'
    .. '{"id":"%s","type":"interest","time":{"create":"' .. now .. '"},"properties":{"Eletronics":["Mobile phones","Accessories"]},' .. page .. ',"options":{}},'
    .. '{"id":"%s","type":"page-view","time":{"create":"' .. now .. '"},"properties":{},' .. page .. ',"options":{}}]}'
  if args[3] == "single" then
    -- The first event alone, in the same envelope.
    head = head:gsub(',{"id":"%%s","type":"interest".*$', "]}")
  end
  head = head:gsub("%%([^s])", "%%%%%1")
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "text/plain;charset=UTF-8"
  wrk.headers["Origin"] = "https://shop.example.com"
  start = os.time() * 1000
  pause = tonumber(args[4] or "0")
  if pause > 0 then
    math.randomseed(prefix)
    -- Arrivals as of many visitors who know nothing of each other.
    delay = function() return math.floor(-math.log(1 - math.random()) * pause + 0.5) end
  end
end

function request()
  sequence = sequence + 1
  local millis = start + math.floor(sequence / 10)
  local n = sequence * 8
  local body = string.format(head, uuid(millis, n, prefix), uuid(millis, n + 1, prefix), uuid(millis, n + 2, prefix),
    uuid(millis, n + 3, prefix), uuid(millis, n + 4, prefix))
  body_bytes = #body
  return wrk.format(nil, nil, nil, body)
end

function done(summary, latency)
  io.write(string.format('{"requests":%d,"seconds":%f,"non2xx":%d,"socket_errors":%d,"p50":%f,"p99":%f,"max":%f,"body_bytes":%d}\n',
    summary.requests, summary.duration / 1e6, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3, threads[1]:get("body_bytes")))
end
