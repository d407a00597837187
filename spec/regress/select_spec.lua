local helper = require "spec.helper"
local libevent = require "libevent"

local ENOENT, EINVAL, EMFILE, ENOTSUP = 2, 22, 24, 95

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

  it("ends no process for what owns such a descriptor", function()
    for _, code in ipairs {
      "fill() return base:stream((pair()))",
      "fill() return base:bufferevent((pair()))",
      'fill() return base:listener("127.0.0.1:0", {}, print)',
      "fill() return base:listener((pair()), {}, print)",
      'fill() return base:udp "127.0.0.1:0"',
      "fill() return base:udp(libevent.socket(posix.datagram()))",
      'fill() return base:bufferevent():connect "127.0.0.1:9"',
      "fill() return base:bufferevent():setfd((pair()))",
      'fill() return libevent.process.start { "true", stdin = "stream" }',
      [[local acceptor = libevent.listen "127.0.0.1:0"
        fill()
        client = libevent.socket_connect(acceptor:getsockname())
        return acceptor:accept()]],
    } do
      helper.prints(("%d\n"):format(EINVAL), ([[
        local libevent, posix = require "libevent", require "spec.posix"
        local pair = libevent.socketpair
        posix.nofile(4096)
        local function fill()
          repeat until posix.dup(0) >= 1024
        end
        local base = libevent.event_base { avoid = { "epoll", "poll" } }
        libevent.run(base, function()
          local made, message, code = (function() %s end)()
          assert(not made, "it was made")
          assert(message:find "Invalid argument", message)
          print(code)
        end)
      ]]):format(code))
    end
  end)

  it("leaves no file of a socket that it refuses", function()
    helper.prints(("%d\t%d\n"):format(EINVAL, ENOENT), [[
      local libevent, posix = require "libevent", require "spec.posix"
      posix.nofile(4096)
      local base = libevent.event_base { avoid = { "epoll", "poll" } }
      local path = os.tmpname()
      os.remove(path)
      repeat until posix.dup(0) >= 1024
      local _, _, code = base:listener("unix:" .. path, nil, print)
      print(code, select(3, os.remove(path)))
    ]])
  end)

  it("learns that a process has ended", function()
    helper.prints("exit\t0\n", [[
      local libevent, posix = require "libevent", require "spec.posix"
      posix.nofile(4096)
      local base = libevent.event_base { avoid = { "epoll", "poll" } }
      repeat until posix.dup(0) >= 1024
      libevent.run(base, function()
        print(base:process({ "true" }):wait())
      end)
    ]])
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
