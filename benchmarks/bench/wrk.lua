-- Asks for random cities and compares every answer with the right one; prints what came back as one line of JSON.
-- Arguments: a file of lines "path<TAB>right answer", and a seed. Each thread has one connection, so its answers come
-- in the order of its questions.
local threads = {}

function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread)
end

function init(args)
  requests, answers, right, wrong, failed, other, odd = {}, {}, 0, 0, 0, "", ""
  for line in io.lines(args[1]) do
    local path, answer = line:match("^(.-)\t(.*)$")
    table.insert(requests, wrk.format("GET", path, { ["Accept"] = "*/*" }))
    table.insert(answers, answer .. "\n")
  end
  math.randomseed(tonumber(args[2]) + number)
  asked = 0
end

function request()
  asked = math.random(#requests)
  return requests[asked]
end

function response(status, headers, body)
  if status == 200 and body == answers[asked] then
    right = right + 1
  elseif status == 200 then
    wrong, odd = wrong + 1, body:sub(1, 100)
  else
    failed, other = failed + 1, tostring(status)
  end
end

function done(summary, latency, requests)
  local sum = { right = 0, wrong = 0, failed = 0 }
  local other, odd = "", ""
  for _, thread in ipairs(threads) do
    for name, value in pairs(sum) do sum[name] = value + thread:get(name) end
    if thread:get("other") ~= "" then other = thread:get("other") end
    if thread:get("odd") ~= "" then odd = thread:get("odd") end
  end
  local lost = summary.errors.connect + summary.errors.read + summary.errors.write
  io.write(string.format(
    '{"seconds": %.6f, "right": %d, "wrong": %d, "failed": %d, "lost": %d, "timeouts": %d, "p50_ms": %.3f, "p99_ms": %.3f, ' ..
    '"other": "%s", "odd": "%s"}\n',
    summary.duration / 1e6, sum.right, sum.wrong, sum.failed, lost, summary.errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, other, odd:gsub('[%c"\\]', "?")))
end
