-- What memory.c runs with failing allocations: bufferevents and what is set of
-- them, pairs, and connections whose descriptor is set or taken away.

local libevent = libevent -- luacheck: ignore
local trial = require "spec.host.trial"
local check, same, fail = trial.check, trial.same, trial.fail

local long = ("long "):rep(8000)

--- What its callbacks are: `fn` for input; whatever else happens ends a wait.
local function callbacks(fn, over)
  return {
    read = fn,
    write = function() end,
    event = function(bev, what, _, message, code)
      bev:close()
      if what ~= "eof" then
        fail((message or what) .. (code == 12 and " (memory)" or ""))
      end
      over:signal()
    end,
  }
end

--- What is set is what it is.
local function options(base)
  local one <close>, other = base:pair()
  local _ <close> = other
  one:setwatermark("rw", 1, 100)
  local low, high = one:getwatermark "r"
  same("1,100", low .. "," .. high)
  one:set_timeouts(1, 1)
  one:set_max_single_read(1000)
  one:set_max_single_write(1000)
  same(other, one:partner())
  local mine = callbacks(print, base:condition())
  one:setcb(mine)
  same(print, (one:getcb()))
  check(tostring(one))

  local alone <close> = base:bufferevent(nil, { linger = 0.01 })
  check(alone:priority_set(0))
  same(0, alone:priority())
end

--- A pair: what one writes the other reads, a piece at a time.
local function pair(base)
  local over, got = base:condition "over", {}
  local one, other = base:pair()
  other:setcb(callbacks(function(bev)
    local buffer = libevent.evbuffer()
    bev:read_buffer(buffer, 1000)
    got[#got + 1] = buffer:remove()
    got[#got + 1] = bev:read()
  end, over))
  check(other:enable "r")
  one:setcb(callbacks(print, over))
  check(one:write(long, 1, { " list" }))
  one:trigger "w"
  check(one:flush("w", "finished"))
  one:close()
  check(over:wait(0.1))
  same(long .. "1 list", table.concat(got))
end

--- Sockets that become connections; one is taken away again.
local function sockets(base)
  local one, other = check(libevent.socketpair())
  local over, got = base:condition "over", {}
  local bev = base:bufferevent(nil, { linger = 0.01 })
  check(bev:setfd(one))
  bev:setcb(callbacks(function()
    got[#got + 1] = bev:read()
    over:signal()
  end, over))
  check(bev:enable "r")
  local stream <close> = base:stream(other)
  check(stream:write "hello")
  check(over:wait(0.1))
  same("hello", table.concat(got))
  check(bev:getsockname())
  bev:getpeername()
  check(bev:detach()):close()
end

--- What is enabled is what libevent has taken: many, so that each thing which
-- they need is missing once.
local function enabled(base)
  local list <close> = setmetatable({}, { __close = function(list)
    for _, bev in ipairs(list) do
      bev:close()
    end
  end })
  for i = 1, 16 do
    local one, other = check(libevent.socketpair())
    other:close()
    local bev = base:bufferevent(one, { linger = 0 })
    list[i] = bev
    bev:setcb { read = print, event = print }
    local ok, reads, message, code = pcall(bev.enable, bev, "r")
    same(ok and reads and "rw" or "w", bev:enabled())
    check(ok and reads, ok and message or reads, code)
  end
end

trial.run(function(base)
  options(base)
  pair(base)
  sockets(base)
  enabled(base)
end)
