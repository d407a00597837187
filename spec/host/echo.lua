-- What memory.c runs with failing allocations: an echo over a listener and
-- bufferevents, with long strings, watermarks, a pair and change callbacks.

local libevent, posix = libevent, posix -- luacheck: ignore
local base, why_not = libevent.event_base { avoid = { "select" } }
if not base then
  error("memory: no base: " .. why_not)
end

local guard <close> = setmetatable({}, { -- luacheck: ignore
  __close = function()
    base:close()
  end,
})

-- What has failed; lack of memory explains the rest.
local failed

local function fail(message)
  if not failed or message:find "[Mm]emory" and not failed:find "[Mm]emory" then
    failed = message
  end
end

local function check(value, message, code)
  if not value then
    fail(message .. (code == 12 and " (memory)" or ""))
    error(message, 0)
  end
  return value
end

local long = ("long "):rep(8000)
local got, told = {}, 0

-- What a failure leaves half done is dropped with the base.
local expired
local limit = base:timer(function()
  expired = true
  base:loopbreak()
end)
limit:add(0.2)
local left, listener = 2, nil

local function finish(bev)
  bev:close()
  left = left - 1
  if left == 0 then
    limit:close()
    listener:close()
  end
end

listener = check(base:listener("127.0.0.1:0", { backlog = 5 },
  function(_, socket)
    local bev = base:bufferevent(socket)
    bev:setwatermark("r", 0, 10000)
    bev:setcb {
      read = function()
        check(bev:write(bev:input(), ""))
      end,
      event = function(_, what, _, message, code)
        bev:close()
        check(what == "eof", message, code)
      end,
    }
    check(bev:enable "r")
  end))

local client = base:bufferevent(nil, { linger = 0.01 })
client:input():add_cb(function(_, added)
  told = told + added
end)
client:setcb {
  read = function()
    got[#got + 1] = client:read(1000)
    got[#got + 1] = client:read()
  end,
  event = function(_, what, _, message, code)
    if what == "connected" then
      check(client:write("short ", 1, { " list ", 2 }, libevent.evbuffer " b "))
      check(client:write(long))
      check(client:shutdown "w")
    else
      finish(client)
      check(what == "eof", message or what, code)
    end
  end,
}
client:set_timeouts(0.05, 0.05)
check(client:enable "r")
check(client:connect((check(listener:getsockname()))))

local one, other = base:pair()
other:setcb { read = function()
  local line = other:input():readln()
  if line then
    got.line = line
    finish(other)
  end
end }
check(other:enable "r")
local buffer = libevent.evbuffer(long, "\n")
buffer:prepend "line "
one:write(buffer)
one:close()

-- After an error the loop still turns; what would end it may have failed.
local function loop(mode)
  local ok, result, message = pcall(base.loop, base, mode)
  if not ok or not result then
    fail(tostring(not ok and result or message))
  end
end

loop()
for _ = 1, failed and 100 or 0 do
  loop "nowait"
end
if failed then
  error(failed, 0)
elseif expired then
  error "memory: nobody says what failed"
end
local text = table.concat(got)
if text ~= "short 1 list 2 b " .. long or told ~= #text
    or got.line ~= "line " .. long then
  error "memory: lost what it cost"
end
