local helper = require "spec.helper"
local libevent = require "libevent"

local run = helper.run
local errno = libevent.errno
local spawn, sleep = libevent.spawn, libevent.sleep
local pack = table.pack

describe("listen", function()
  it("accepts connections as streams, until it is closed", run(function()
    local acceptor = assert(libevent.listen("127.0.0.1:0", { max_line = 3 }))
    local peers, ended = {}, false
    local task = spawn(function()
      for stream, peer in acceptor:accepts() do
        peers[#peers + 1] = peer
        assert.same(errno.EMSGSIZE, select(3, stream:read "l"))
        stream:close()
      end
      ended = true
    end)
    for i = 1, 3 do
      local client <close> = assert(libevent.connect(acceptor:getsockname()))
      client:write "four\n"
      assert.equal("", (client:read "a"))
      assert.equal(client:getsockname(), peers[i])
    end
    acceptor:close()
    acceptor:close()
    task:wait()
    assert.is_true(ended)
    assert.same({ nil, "closed", errno.ECANCELED, n = 3 },
      pack(acceptor:accept()))
  end))

  it("takes connections only as fast as it is asked", run(function()
    local acceptor <close> = assert(libevent.listen "127.0.0.1:0")
    local clients = {}
    for i = 1, 5 do
      clients[i] = assert(libevent.connect(acceptor:getsockname()))
    end
    local before = helper.descriptors()
    sleep(0.002)
    assert.equal(before, helper.descriptors())
    for i = 1, 5 do
      assert(acceptor:accept(1)):close()
      clients[i]:close()
    end
    assert.same({ nil, "timed out", errno.ETIMEDOUT, n = 3 },
      pack(acceptor:accept(0)))
  end))

  it("takes a socket, and a descriptor that is inherited", run(function(base)
    local first = assert(base:listener("127.0.0.1:0"))
    local address = first:getsockname()
    local copy = assert(require "spec.posix".dup(first:fd()))
    first:close()
    local acceptor = assert(libevent.listen(copy))
    assert.same({ address, copy }, { acceptor:getsockname(), acceptor:fd() })
    local client <close> = assert(libevent.connect(address))
    acceptor:accept():close()
    acceptor:close()
    assert.same({ nil, "socket: Bad file descriptor", errno.EBADF, n = 3 },
      pack(libevent.listen(copy)))
    assert.same({ nil, "listener: Address already in use", errno.EADDRINUSE },
      (function()
        local one <close> = assert(libevent.listen "127.0.0.1:0")
        return { libevent.listen(one:getsockname()) }
      end)())
    assert.equal(address, client:getpeername())
  end))

  it("refuses bad arguments", run(function()
    for _, case in ipairs {
      { nil, nil, "#1 to 'listen' %(address expected, got nil%)" },
      { "localhost:80", nil, "#1 to 'listen' %('localhost:80': names are not" },
      { "127.0.0.1:0", 1, "#2 to 'listen' %(table expected, got number%)" },
      { "127.0.0.1:0", { disabled = true }, "unknown option 'disabled'" },
      { "127.0.0.1:0", { backlog = 0 }, "option 'backlog': integer from 1 on" },
      { "127.0.0.1:0", { mode = 1 }, "option 'mode': string expected" },
      { "127.0.0.1:0", { reuseport = 1 }, "option 'reuseport': boolean" },
    } do
      local ok, message = pcall(libevent.listen, case[1], case[2])
      assert.is_false(ok)
      assert.matches(case[3], message)
    end
  end))

  it("needs a loop", function()
    assert.error_matches(function()
      libevent.listen "127.0.0.1:0"
    end, "no loop runs")
  end)
end)
