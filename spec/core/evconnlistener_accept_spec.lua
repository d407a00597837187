local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local loop = helper.loop

local function port_of(listener)
  return tonumber(listener:getsockname():match ":(%d+)$")
end

describe("a listener without descriptors", function()
  local EMFILE = 24

  it("reports it once, waits, and goes on when there are some",
    loop(function(base, expect)
      local accepted, turns = {}, 0
      local listener
      listener = base:listener("127.0.0.1:0", nil, expect(function(_, socket)
        accepted[#accepted + 1] = socket
        if #accepted == 10 then
          listener:close()
        end
      end, 10))
      local fds = {}
      for i = 1, 10 do
        fds[i] = posix.connect(port_of(listener))
      end
      local restore = helper.exhaust(3)
      listener:set_error_cb(expect(function(self, message, code)
        assert.equal(listener, self)
        assert.same({ "accept: Too many open files", EMFILE },
          { message, code })
        assert.equal(3, #accepted)
      end))
      base:event(-1, "p", function(event)
        turns = turns + 1
        if turns == 3 then
          assert.matches("out of descriptors$", tostring(listener))
          assert.equal(3, #accepted)
          restore()
          event:close()
        end
      end):add(0.1)
      base:loop()
      for i = 1, 10 do
        accepted[i]:close()
        posix.close(fds[i])
      end
    end))

  it("collects garbage first, which may free some",
    loop(function(base, expect)
      local n = 0
      local listener
      collectgarbage "stop"
      listener = base:listener("127.0.0.1:0", nil, function()
        n = n + 1 -- keeps no socket
        if n == 10 then
          listener:close()
        end
      end)
      listener:set_error_cb(expect(nil, 0))
      local fds = {}
      for i = 1, 10 do
        fds[i] = posix.connect(port_of(listener))
      end
      local restore = helper.exhaust(5)
      base:loop()
      restore()
      collectgarbage "restart"
      for i = 1, 10 do
        posix.close(fds[i])
      end
    end))

  it("says so in the log where no callback is set", function()
    local base <close> = libevent.event_base()
    local lines = {}
    libevent.set_log_callback(function(severity, line)
      lines[#lines + 1] = severity .. ": " .. line
    end)
    local listener <close> = base:listener("127.0.0.1:0", nil, print)
    local fd = posix.connect(port_of(listener))
    local restore = helper.exhaust(0)
    base:loopexit(0.35)
    base:loop()
    restore()
    libevent.set_log_callback()
    posix.close(fd)
    assert.same({ "warn: accept: Too many open files" }, lines)
  end)

  it("can be closed in its error callback", loop(function(base, expect)
    local listener = base:listener("127.0.0.1:0", nil, expect(nil, 0))
    listener:set_error_cb(expect(function(self)
      self:close()
    end))
    local fd = posix.connect(port_of(listener))
    local restore = helper.exhaust(0)
    base:loop()
    restore()
    posix.close(fd)
  end))
end)
