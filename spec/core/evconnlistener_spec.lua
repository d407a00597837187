local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local loop = helper.loop
local EADDRINUSE = 98

local function port_of(listener)
  return tonumber(listener:getsockname():match ":(%d+)$")
end

--- A path where nothing is.
local function free_path()
  local path = os.tmpname()
  os.remove(path)
  return path
end

local function exists(path)
  return os.rename(path, path) ~= nil
end

describe("event_base:listener", function()
  for _, address in ipairs { "127.0.0.1:0", "[::1]:0", "[::]:0" } do
    it("accepts on " .. address, loop(function(base, expect)
      local listener
      listener = assert(base:listener(address, nil,
        expect(function(self, socket, peer)
          assert.equal(listener, self)
          assert.equal(peer, socket:getpeername())
          assert.is_true(socket:getsockopt "nodelay")
          self:close()
          socket:close()
        end)))
      assert.matches("^" .. address:gsub("0$", ""):gsub("%p", "%%%0")
        .. "%d+$", listener:getsockname())
      assert.matches(" accepting$", tostring(listener))
      local client = base:bufferevent()
      client:setcb { event = function(self, what)
        if what == "eof" then
          self:close()
        end
      end }
      client:enable "r"
      local at = listener:getsockname():gsub("%[::%]", "[::1]")
      client:connect(at)
    end))
  end

  it("accepts all that wait, some each turn", loop(function(base, expect)
    local sockets, listener = {}, nil
    listener = base:listener("127.0.0.1:0", nil, expect(function(_, socket)
      sockets[#sockets + 1] = socket
      if #sockets == 200 then
        listener:close()
      end
    end, 200))
    local fds = {}
    for i = 1, 200 do
      fds[i] = posix.connect(port_of(listener))
    end
    base:loop "once"
    assert.equal(64, #sockets)
    base:loop()
    for i = 1, 200 do
      sockets[i]:close()
      posix.close(fds[i])
    end
  end))

  it("keeps the port of one that has just ended", loop(function(base)
    local one = base:listener("127.0.0.1:0", nil, function(_, socket)
      socket:close() -- this side ends first, and lingers in the system
    end)
    local at = one:getsockname()
    local fd = posix.connect(port_of(one))
    base:loop "once"
    posix.read(fd)
    posix.close(fd)
    one:close()
    local again = assert(base:listener(at, nil, print))
    again:close()
  end))

  it("shares a port on request", loop(function(base)
    local one = base:listener("127.0.0.1:0", { reuseport = true }, print)
    local other = assert(base:listener(one:getsockname(),
      { reuseport = true }, print))
    assert.same({ nil, "listener: Address already in use", EADDRINUSE },
      { base:listener(one:getsockname(), nil, print) })
    one:close()
    other:close()
  end))

  it("waits for the first data on request", loop(function(base, expect)
    local accepted = 0
    local listener
    listener = base:listener("127.0.0.1:0", { deferred = true },
      expect(function(_, socket)
        accepted = accepted + 1
        socket:close()
        listener:close()
      end))
    local fd = posix.connect(port_of(listener))
    base:loop "nowait"
    assert.equal(0, accepted)
    posix.write(fd, "x")
    base:loop()
    posix.close(fd)
  end))

  it("can be disabled and enabled", loop(function(base, expect)
    local listener
    listener = base:listener("127.0.0.1:0", { disabled = true },
      expect(function(self, socket)
        socket:close()
        assert.is_true(self:disable())
        assert.is_true(self:disable())
        local fd = posix.connect(port_of(listener))
        posix.close(fd)
      end, 2))
    assert.matches(" disabled$", tostring(listener))
    local fd = posix.connect(port_of(listener))
    assert.equal("empty", base:loop())
    listener:enable()
    listener:enable()
    assert.equal("empty", base:loop())
    listener:enable()
    base:loop()
    listener:close()
    posix.close(fd)
  end))

  it("takes over a socket that is bound", loop(function(base, expect)
    local first = base:listener("127.0.0.1:0", nil, print)
    local at = first:getsockname()
    local inherited = assert(libevent.socket(posix.dup(first:fd())))
    first:close()
    local fd = inherited:fd()
    local listener
    listener = base:listener(inherited, { backlog = 5 },
      expect(function(self, socket)
        self:close()
        socket:close()
      end))
    assert.is_true(inherited:is_closed())
    assert.equal(fd, listener:fd())
    assert.equal(at, listener:getsockname())
    local client = posix.connect(port_of(listener))
    base:loop()
    posix.close(client)
  end))

  it("lives while it is enabled, and then no longer",
    loop(function(base, expect)
      local at
      do
        local listener = base:listener("127.0.0.1:0", nil,
          expect(function(self, socket)
            socket:close()
            self:disable()
          end))
        at = port_of(listener)
      end
      collectgarbage()
      local fd = posix.connect(at)
      base:loop()
      posix.close(fd)
    end))

  it("can be closed in its callback, others waiting",
    loop(function(base, expect)
      local listener
      listener = base:listener("127.0.0.1:0", nil, expect(function(self, s)
        self:close()
        s:close()
        collectgarbage()
      end))
      local fds = {}
      for i = 1, 10 do
        fds[i] = posix.connect(port_of(listener))
      end
      base:loop()
      for i = 1, 10 do
        posix.close(fds[i])
      end
    end))

  it("closes a connection whose callback fails", function()
    for _, closes in ipairs { false, true } do
      local base <close> = libevent.event_base()
      local kept
      local listener = base:listener("127.0.0.1:0", nil, function(self, socket)
        kept = socket
        if closes then
          self:close()
        end
        error("no guests", 0)
      end)
      local fd = posix.connect(port_of(listener))
      assert.same({ false, "no guests" }, { pcall(base.loop, base) })
      assert.equal("", posix.read(fd))
      assert.is_true(kept:is_closed())
      assert.matches("^no guests\nstack traceback.*evconnlistener_spec",
        base:traceback())
      posix.close(fd)
    end
  end)

  it("closes a connection that nobody keeps", loop(function(base, expect)
    local listener
    listener = base:listener("127.0.0.1:0", nil, expect(function(self)
      self:close()
    end))
    local fd = posix.connect(port_of(listener))
    base:loop()
    collectgarbage()
    collectgarbage()
    assert.equal("", posix.read(fd))
    posix.close(fd)
  end))

  it("replaces its callback", loop(function(base, expect)
    local listener = base:listener("127.0.0.1:0", nil, expect(nil, 0))
    listener:setcb(expect(function(self, socket)
      self:close()
      socket:close()
    end))
    local fd = posix.connect(port_of(listener))
    base:loop()
    posix.close(fd)
  end))

  it("returns an error where it cannot listen", loop(function(base)
    assert.same({ nil, "listener: No such file or directory", 2 },
      { base:listener("unix:/no/such/directory/socket", nil, print) })
    local other, message, code = base:listener("192.0.2.1:80", nil, print)
    assert.same({ nil, "listener: Cannot assign requested address", 99 },
      { other, message, code })
    local one = libevent.socketpair()
    assert.is_nil((base:listener(one, nil, print)))
    assert.is_false(one:is_closed())
    one:close()
  end))

  it("refuses bad arguments", function()
    local base <close> = libevent.event_base()
    helper.badargs(base.listener, base, "address, ?table, ?function",
      { "127.0.0.1:0", {} })
    local at = "127.0.0.1:0"
    for option, bad in pairs { backlog = 0, reuseable = 1, reuseport = "x",
      deferred = 1, disabled = 1, nodelay = 1, v6only = 1, mode = "9" } do
      assert.error_matches(function()
        base:listener(at, { [option] = bad }, print)
      end, "bad argument #2 to 'listener' %(option '" .. option .. "'")
    end
    for _, mode in ipairs { 660, "", "0o", "-1", "1000" } do
      assert.error_matches(function()
        base:listener(at, { mode = mode }, print)
      end, "octal digits expected")
    end
    assert.error_matches(function()
      base:listener("localhost:80", nil, print)
    end, "bad argument #1 to 'listener' %('localhost:80': names are not")
    local listener <close> = base:listener(at, nil, print)
    helper.badargs(listener.setcb, listener, "function")
    helper.badargs(listener.set_error_cb, listener, "?function")
  end)
end)

describe("a listener on a unix socket", function()
  it("has the permissions asked for, and goes with its file",
    loop(function(base, expect)
      local path = free_path()
      assert(base:listener("unix:" .. path,
        { mode = "0620" }, expect(function(self, socket, peer)
          assert.equal("unix:", peer)
          assert.equal("unix:" .. path, socket:getsockname())
          self:close()
          socket:close()
        end)))
      local pipe = io.popen("stat -c %a " .. path)
      assert.equal("620", pipe:read "l")
      pipe:close()
      local client = base:bufferevent()
      client:connect("unix:" .. path)
      base:loop()
      assert.is_false(exists(path))
      client:close()
    end))

  it("replaces one that nobody listens to", loop(function(base)
    local path = free_path()
    helper.child(function() -- ends without closing it
      assert(base:reinit())
      assert(base:listener("unix:" .. path, nil, print))
      posix.exit(0)
    end)
    assert.is_true(exists(path))
    local listener = assert(base:listener("unix:" .. path, nil, print))
    assert.same({ nil, "listener: Address already in use", EADDRINUSE },
      { base:listener("unix:" .. path, nil, print) })
    assert.is_true(exists(path))
    listener:close()
    assert.is_false(exists(path))
  end))

  it("leaves alone what is no socket, or not its own any more",
    loop(function(base)
      local path = os.tmpname()
      assert.same({ nil, "listener: Address already in use", EADDRINUSE },
        { base:listener("unix:" .. path, nil, print) })
      assert.is_true(exists(path))
      os.remove(path)
      local listener = assert(base:listener("unix:" .. path, nil, print))
      os.remove(path)
      local other = assert(base:listener("unix:" .. path, nil, print))
      listener:close()
      assert.is_true(exists(path))
      assert.same({ "exit", 0 }, { helper.child(function()
        other:close()
        assert.is_true(exists(path))
      end) })
      other:close()
      assert.is_false(exists(path))
    end))

  it("may have an abstract name", loop(function(base, expect)
    local at = "unix:@lua-libevent-spec-" .. posix.getpid()
    assert(base:listener(at, nil,
      expect(function(self, socket)
        assert.equal(at, self:getsockname())
        self:close()
        socket:close()
      end)))
    local client = base:bufferevent()
    client:connect(at)
    base:loop()
    client:close()
  end))
end)
