-- evrun serve under systemd: its protocols, spoken by the spec.

local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"
local services = require "spec.services"

local run, app = helper.run, services.app
local ask, start = services.ask, services.start

--- A receiver of what systemd is told, and shell commands that name it.
local function receiver()
  local name = "@" .. os.tmpname()
  os.remove(name:sub(2))
  return posix.receiver(name), ("unset WATCHDOG_PID; export NOTIFY_SOCKET=%s "
    .. "WATCHDOG_USEC=20000;"):format(name)
end

--- Reads what was told until it is a certain text; returns all of it.
local function read_until(fd, text)
  local list = {}
  repeat
    assert(libevent.wait(fd, "r", 20), text)
    list[#list + 1] = posix.read(fd)
  until list[#list] == text
  return list
end

describe("evrun serve under systemd", function()
  it("serves the sockets of a socket unit", run(function(base)
    local one <close> = base:listener("127.0.0.1:0", { disabled = true })
    local other <close> = base:listener("127.0.0.1:0", { disabled = true })
    local waiting <close> = libevent.connect(one:getsockname())
    waiting:write "number\n" -- before there is any process
    local service <close> = start(app, "--workers 2", "export LISTEN_PID=$$ "
      .. "LISTEN_FDS=2 LISTEN_FDNAMES=http:admin;", nil,
      { [3] = one, [4] = other })
    for _, each in ipairs(service:ready().workers) do
      assert.same({ one:getsockname(), other:getsockname() }, each.addresses)
    end
    assert.matches("^[12]$", (waiting:read "l"))
    assert.matches("^[12]$", (ask(other:getsockname(), "number")))
    service:stop()
  end))

  it("feeds the watchdog while workers live", run(function()
    local fd, shell = receiver()
    local service <close> = start(app, "--workers 1 --listen 127.0.0.1:0",
      shell)
    read_until(fd, "READY=1")
    for _ = 1, 3 do
      read_until(fd, "WATCHDOG=1")
    end
    service.program:kill "TERM"
    read_until(fd, "STOPPING=1")
    assert.same({ "exit", 0 }, { service:wait() })
    posix.close(fd)
  end))

  it("does not feed it for workers that do not start", run(function()
    local fd, shell = receiver()
    local service <close> = start("error 'no'", "--workers 1", shell)
    service:await "a worker is in a crash loop"
    service.program:kill "TERM"
    for _, told in ipairs(read_until(fd, "STOPPING=1")) do
      assert.not_equal("WATCHDOG=1", told)
      assert.not_equal("READY=1", told)
    end
    assert.same({ "exit", 1 }, { service:wait() })
    posix.close(fd)
  end))
end)
