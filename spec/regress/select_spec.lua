local helper = require "spec.helper"
local libevent = require "libevent"

local EINVAL, EMFILE, ENOTSUP = 22, 24, 95

describe("the method select", function()
  it("refuses descriptors beyond its set", function()
    helper.prints("", ([[
      local libevent, posix = require "libevent", require "spec.posix"
      posix.nofile(4096)
      local base = libevent.event_base { avoid = { "epoll", "poll" } }
      local r, w = posix.pipe()
      local fd
      repeat fd = posix.dup(w) until fd >= 1024
      local event, message, code = base:event(fd, "wp", print)
      assert(not event and message == "event: Invalid argument")
      assert(code == %d)
      local other, message, code = libevent.event_base {
        avoid = { "epoll", "poll" },
      }
      assert(not other and code == %d, message)
      assert(base:event(w, "w", function() end):add())
      base:loop()
    ]]):format(EINVAL, EMFILE))
  end)

  it("refuses events that it would never report", function()
    local base <close> = libevent.event_base { avoid = { "epoll", "poll" } }
    local socket <close> = libevent.socketpair()
    for _, letters in ipairs { "c", "re" } do
      local event, _, code = base:event(socket, letters, print)
      assert.same({ nil, ENOTSUP }, { event, code })
    end
  end)
end)
