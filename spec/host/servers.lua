-- What memory.c runs with failing allocations: a server and its clients, and
-- tasks that hand work to one another.

local libevent = libevent -- luacheck: ignore

-- What has failed; lack of memory explains the rest.
local failed

local function fail(message)
  message = tostring(message)
  if not failed or message:find " memory" and not failed:find " memory" then
    failed = message
  end
end

local function check(value, message, code, ...)
  if not value then
    error((message or "ended") .. (code == 12 and " (memory)" or ""), 0)
  end
  return value, message, code, ...
end

local answers = {}

local function serve(stream)
  for line in stream:lines() do
    check(stream:write(line:upper(), "\n"))
  end
  local message, code = stream:error()
  if code == libevent.errno.ENOMEM then
    fail(message .. " (memory)")
  end
end

local function ask(address, questions, limit)
  local stream <close> = check(libevent.connect(address, {
    timeout = 0.1, linger = 0.01,
  }))
  for question in questions:values() do
    local permit <close> = check(limit:acquire(0.1)) -- luacheck: ignore
    check(stream:write(question, "\n"))
    answers[#answers + 1] = check(stream:read("l", 0.1))
  end
end

local function work(base)
  local server <close> = check(libevent.serve("127.0.0.1:0", serve, {
    linger = 0.01, per_peer = 10, idle = 1, lifetime = 1,
  }))
  local address = check(server:getsockname())
  local questions, limit = libevent.queue(2), libevent.semaphore(1)
  libevent.scope(function()
    for _ = 1, 2 do
      libevent.spawn(ask, address, questions, limit)
    end
    for _, question in ipairs { "one", "two", "three" } do
      check(questions:put(question, 0.1))
    end
    questions:close()
  end)
  local future = libevent.future()
  libevent.after(0, future.set, future, "later")
  answers[#answers + 1] = check(future:wait(0.1))
  local result = check(libevent.process.run({ "cat" }, "through cat"))
  answers[#answers + 1] = check(result.stdout ~= "" and result.stdout,
    "cat: broken pipe")
  local ok, err = libevent.pcall(error, "caught", 0)
  answers[#answers + 1] = not ok and err or nil
  check(server:drain(0.1))
  return base
end

local base, why_not = libevent.event_base { avoid = { "select" } }
if not base then
  error("memory: no base: " .. why_not)
end
local guard <close> = base -- luacheck: ignore
base:on_error(fail)

-- What looks after the main task needs memory to end the loop.
local ok, err = pcall(libevent.run, base, work, base)
if not ok then
  fail(err)
end
base:close()
if failed then
  error(failed, 0)
end
table.sort(answers)
local all = table.concat(answers, ",")
if all ~= "ONE,THREE,TWO,caught,later,through cat" then
  error("lost what it cost: " .. all)
end
