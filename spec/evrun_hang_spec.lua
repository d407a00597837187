-- evrun serve, and workers that hang.

local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"
local program = require "spec.program"
local services = require "spec.services"

local run, app = helper.run, services.app
local lives = program.lives
local ask, start = services.ask, services.start

describe("evrun serve", function()
  it("ends a worker that hangs, which tells where", run(function()
    local service <close> = start(app, "--workers 1 --listen 127.0.0.1:0 "
      .. "--heartbeat 0.3")
    local address = service:ready().workers[1].addresses[1]
    assert.is_nil((ask(address, "hang")))
    service:await "a worker hangs"
    local death = service:await '"message":"a worker died"(.*)'
    assert.matches('"cause":"no sign of life for 0.3 s, signal ABRT"', death)
    assert.matches('"hung":true', death)
    assert.matches("app.lua:6: in ", death)
    assert.equal("x", (ask(address, "x")))
    service:stop()
  end))

  it("replaces a worker that was stopped", run(function()
    local service <close> = start(app, "--workers 1 --listen 127.0.0.1:0 "
      .. "--heartbeat 0.3")
    local worker = service:ready().workers[1]
    posix.kill(worker.pid, 19)
    assert.equal("x", (ask(worker.addresses[1], "x")))
    service:await "no sign of life for 0.3 s, signal KILL"
    assert.is_false(lives(worker.pid))
    service:stop()
  end))

  it("ends a worker that is not ready in time", run(function()
    local service <close> = start("while true do end", "--workers 1 --start 0.2"
      .. " --listen 127.0.0.1:0")
    local death = service:await '"message":"a worker died"(.*)'
    assert.matches('"cause":"not ready within 0.2 s, signal ABRT"', death)
    assert.matches("app.lua:1: in ", death)
    service:stop(1)
  end))

  it("leaves no worker that hangs when the monitor is gone", run(function()
    local service <close> = start(app .. [[
      does.late = function()
        libevent.on_drain(function() while true do end end)
        return "late"
      end
    ]], "--workers 2 --heartbeat 0.3 --listen 127.0.0.1:0 --reuseport")
    local workers = service:ready().workers
    assert.equal("late", (ask(workers[1].addresses[1], "late")))
    local stream <close> = libevent.connect(workers[2].addresses[1])
    service.program:kill "STOP" -- it is to see nothing
    stream:write "hang\n"
    libevent.sleep(0.05)
    service.program:kill "KILL"
    service:wait()
    for _, each in ipairs(workers) do
      while lives(each.pid) do
        libevent.sleep(0.01)
      end
    end
  end))

  it("leaves no worker that hangs at its start", run(function()
    local service <close> = start([[
      io.stderr:write(require "libevent".posix.getpid(), " hangs\n")
      while true do end
    ]], "--workers 1 --heartbeat 0.3 --start 0.3 --listen 127.0.0.1:0")
    local pid = tonumber((service:await "(%d+) hangs"))
    service.program:kill "KILL"
    service:wait()
    while lives(pid) do
      libevent.sleep(0.01)
    end
  end))

  it("lets a worker live that is silent at its start, or watches ALRM",
    run(function()
      local service <close> = start([[
        local libevent = require "libevent"
        local now = libevent.evutil.gettime_monotonic
        local till = now() + 1.2
        libevent.sleep(0.2)
        repeat until now() > till
      ]] .. app .. [[
        does.watch = function()
          libevent.base():signal("ALRM", function() end):add()
          libevent.posix.alarm(0.01)
          libevent.sleep(0.05)
          return "watched"
        end
      ]], "--workers 1 --heartbeat 0.3 --listen 127.0.0.1:0")
      local worker = service:ready().workers[1]
      assert.equal("watched", (ask(worker.addresses[1], "watch")))
      assert.same({ "ready", worker.pid, 0 }, { worker.state,
        service:ask "status".workers[1].pid, worker.deaths })
      service:stop()
    end))
end)
