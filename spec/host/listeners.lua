-- What memory.c runs with failing allocations: listeners that call back, and
-- at which tasks accept, and who connects to them in each way.

local libevent = libevent -- luacheck: ignore
local trial = require "spec.host.trial"
local check, same, fail = trial.check, trial.same, trial.fail

local function told(_, message, code)
  fail(message .. (code == libevent.errno.ENOMEM and " (memory)" or ""))
end

--- One that calls back, with a bufferevent at the other end.
local function callbacks(base)
  local came, peers = base:condition "came", {}
  local listener <close> = check(base:listener("127.0.0.1:0",
    { backlog = 5, nodelay = true, reuseable = true }, print))
  check(listener:set_error_cb(told) == nil)
  listener:setcb(function(_, socket, peer)
    peers[#peers + 1] = peer
    socket:close()
    came:signal()
  end)
  listener:disable()
  listener:enable()
  check(tostring(listener))
  local address = check(listener:getsockname())
  local client <close> = base:bufferevent(nil, { linger = 0.01 })
  client:setcb { event = function(_, what, _, message, code)
    if what == "error" then
      told(nil, message, code)
    end
  end }
  check(client:connect(address))
  check(came:wait(0.1))
  same(1, #peers)
end

--- One at which a task waits, and an acceptor.
local function tasks(base)
  local listener <close> = check(base:listener("unix:@memory" ..
    libevent.posix.getpid(), {}))
  local acceptor <close> = check(libevent.listen("127.0.0.1:0",
    { linger = 0.01 }))
  local connecting = libevent.spawn(function()
    local one <close> = check(libevent.connect(
      (check(listener:getsockname()))))
    same("x", (check(one:read(1, 0.1))))
    local other <close> = check(libevent.connect(
      (check(acceptor:getsockname())), { timeout = 0.1, linger = 0.01 }))
    check(other:write "y")
    return true
  end)
  local socket = check(listener:accept(0.1))
  local stream <close> = base:stream(socket)
  check(stream:write "x")
  local accepted <close> = check(acceptor:accept(0.1))
  same("y", (check(accepted:read(1, 0.1))))
  check(connecting:wait())
  same(false, listener:waiting())
end

trial.run(function(base)
  callbacks(base)
  tasks(base)
end)
