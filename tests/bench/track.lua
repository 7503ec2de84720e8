-- Requests as the tracker sends them: three events, about 2 KB.
-- Arguments after `--`: source id, run number (so that ids differ between runs), what is sent (`new`: each request begins a
-- session; `returning`: 1,000 open sessions, of which one in ten requests begins another, on 500 pages, with a few types much more
-- frequent than the others; `single`: one event of a returning visitor), milliseconds that each connection pauses before a
-- request, on average.
local threads = {}

function setup(thread)
  table.insert(threads, thread)
  thread:set("number", #threads)
end

local SESSIONS, PAGES = 1000, 500
local head, prefix, kind
local sequence = 0
local sessions = {}

local function uuid(millis, count, salt)
  return string.format("%08x-%04x-7%03x-8%03x-%012x", math.floor(millis / 65536), millis % 65536, count % 4096, salt % 4096, count)
end

-- A page's events have the same context.
local function page(n)
  return string.format('"context":{"page":{"url":"https://shop.example.com/glasses/%d?utm_source=news","path":"/glasses/%d",'
    .. '"title":"Sun glasses %d - Badoo","referrer":"https://www.example.org/search?q=sun+glasses"}}', n, n, n)
end

local frequent = {"page-view", "page-view", "page-view", "page-view", "click", "click", "scroll", "interest", "purchase-order"}

local function event_type()
  if math.random() < 0.9 then return frequent[math.random(#frequent)] end
  return "type-" .. math.random(200)
end

function init(args)
  local source, run = args[1], tonumber(args[2])
  local now = os.date("!%Y-%m-%dT%H:%M:%S.000Z")
  kind = args[3]
  prefix = run * 64 + number
  math.randomseed(prefix)
  head = '{"source":{"id":"' .. source .. '"},"session":{"id":"%s"},"profile":null,"device":{"id":"%s"},'
    .. '"context":{"browser":{"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.0.0 Safari/537.36",'
    .. '"language":"en-US","languages":["en-US","en"],"platform":"Linux x86_64","cookieEnabled":true,"timezone":"Europe/London"},'
    .. '"screen":{"width":1280,"height":720,"availWidth":1280,"availHeight":720,"colorDepth":24,"innerWidth":1280,"innerHeight":720,"devicePixelRatio":1},'
    .. '"utm":{"source":"news","medium":"email","campaign":"autumn"}},"sentAt":"' .. now .. '","events":['
  event = '{"id":"%s","type":"%s","time":{"create":"' .. now .. '"},"properties":%s,%s,"options":{}}'
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "text/plain;charset=UTF-8"
  wrk.headers["Origin"] = "https://shop.example.com"
  start = os.time() * 1000
  pause = tonumber(args[4] or "0")
  if pause > 0 then
    -- Arrivals as of many visitors who know nothing of each other.
    delay = function() return math.floor(-math.log(1 - math.random()) * pause + 0.5) end
  end
end

local properties = {
  '{"product":"Sun glasses - Badoo","price":13.45}', '{"Eletronics":["Mobile phones","Accessories"]}', "{}",
}

function request()
  sequence = sequence + 1
  local millis = start + math.floor(sequence / 10)
  local n = sequence * 8
  local slot = math.random(SESSIONS)
  local session = sessions[slot]
  if kind == "new" or not session or math.random() < 0.1 then
    session = {uuid(millis, n, prefix), uuid(millis, n + 1, prefix)}
    sessions[slot] = session
  end
  local context = page(math.random(PAGES))
  local events = {}
  for number = 1, kind == "single" and 1 or 3 do
    events[number] = string.format(event, uuid(millis, n + 1 + number, prefix), event_type(), properties[number], context)
  end
  local body = string.format(head, session[1], session[2]) .. table.concat(events, ",") .. "]}"
  body_bytes = #body
  return wrk.format(nil, nil, nil, body)
end

function done(summary, latency)
  io.write(string.format('{"requests":%d,"seconds":%f,"non2xx":%d,"socket_errors":%d,"p50":%f,"p99":%f,"max":%f,"body_bytes":%d}\n',
    summary.requests, summary.duration / 1e6, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3, threads[1]:get("body_bytes")))
end
