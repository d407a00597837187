local helper = require "spec.helper"
local libevent = require "libevent"

local run = helper.run
local errno = libevent.errno
local pack = table.pack

local function path()
  local name = os.tmpname()
  os.remove(name)
  return name
end

describe("connect", function()
  it("connects to each kind of address", run(function()
    for _, address in ipairs { "127.0.0.1:0", "[::1]:0", "unix:" .. path() } do
      local acceptor <close> = assert(libevent.listen(address))
      local client <close> = assert(libevent.connect(acceptor:getsockname()))
      local server <close> = assert(acceptor:accept())
      client:write "hello\n"
      assert.equal("hello", (server:read "l"))
      assert.equal(acceptor:getsockname(), client:getpeername())
    end
  end))

  it("binds this side, and makes the stream as it is told", run(function()
    local acceptor <close> = assert(libevent.listen "127.0.0.1:0")
    local client <close> = assert(libevent.connect(acceptor:getsockname(), {
      bind = "127.0.0.2:0", max_line = 4, timeout = 5,
    }))
    assert.matches("^127%.0%.0%.2:", client:getsockname())
    local server <close> = assert(acceptor:accept())
    server:write "too long\n"
    assert.same({ nil, errno.EMSGSIZE },
      { (client:read "l"), (select(3, client:read "l")) })
  end))

  it("tells why there is no connection", run(function()
    local acceptor = assert(libevent.listen "127.0.0.1:0")
    local address = acceptor:getsockname()
    acceptor:close()
    assert.same({ nil, "connect: Connection refused", errno.ECONNREFUSED,
      n = 3 }, pack(libevent.connect(address)))
    assert.same({ nil, "connect: No such file or directory", errno.ENOENT,
      n = 3 }, pack(libevent.connect "unix:/no/such/socket"))
  end))

  it("waits for a unix socket that accepts no more at the moment",
    run(function()
      local acceptor <close> = assert(libevent.listen("unix:" .. path(), {
        backlog = 1,
      }))
      local address, streams = acceptor:getsockname(), {}
      repeat
        local stream, message, code = libevent.connect(address, {
          timeout = 0.05,
        })
        streams[#streams + 1] = stream
        if not stream then
          assert.same({ "timed out", errno.ETIMEDOUT }, { message, code })
        end
      until not stream
      local task = libevent.spawn(libevent.connect, address)
      libevent.sleep(0.02)
      assert.equal("waiting", task:status())
      acceptor:accept():close()
      task:wait():close()
      for _, stream in ipairs(streams) do
        stream:close()
      end
    end))

  it("leaves nothing behind when it is canceled", run(function(base)
    local acceptor <close> = assert(libevent.listen("unix:" .. path(), {
      backlog = 1,
    }))
    local streams = {}
    repeat
      local stream = libevent.connect(acceptor:getsockname(), { timeout = 0 })
      streams[#streams + 1] = stream
    until not stream
    local tasks = {}
    for i = 1, 3 do
      tasks[i] = base:task(libevent.connect, acceptor:getsockname())
    end
    libevent.sleep(0.001)
    for _, task in ipairs(tasks) do
      task:cancel()
      task:wait()
    end
    for _, stream in ipairs(streams) do
      stream:close()
    end
  end))

  it("is for tasks", run(function(base)
    base:timer(function()
      assert.error_matches(function()
        libevent.connect "127.0.0.1:1"
      end, "only a task can wait")
    end):add(0)
  end))

  it("needs a loop", function()
    assert.error_matches(function()
      libevent.connect "127.0.0.1:1"
    end, "no loop runs")
  end)

  it("refuses bad arguments", run(function()
    for _, case in ipairs {
      { nil, nil, "#1 to 'connect' %(address expected, got nil%)" },
      { "host:80", nil, "#1 to 'connect' %('host:80': names are not looked" },
      { "127.0.0.1:1", 1, "#2 to 'connect' %(table expected, got number%)" },
      { "127.0.0.1:1", { x = 1 }, "#2 to 'connect' %(unknown option 'x'%)" },
      { "127.0.0.1:1", { timeout = -1 }, "%(option 'timeout': seconds from 0" },
      { "127.0.0.1:1", { timeout = 0 / 0 }, "%(option 'timeout': seconds" },
      { "127.0.0.1:1", { max_line = 0 }, "%(option 'max_line': integer" },
    } do
      local ok, message = pcall(libevent.connect, case[1], case[2])
      assert.is_false(ok)
      assert.matches("bad argument", message)
      assert.matches(case[3], message)
    end
    local _, message = pcall(function()
      libevent.connect(1)
    end)
    assert.matches("connect_spec.lua:%d+: bad argument", message)
  end))
end)
