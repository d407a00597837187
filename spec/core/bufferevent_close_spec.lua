local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local loop, connected = helper.loop, helper.connected

--- Calls fn(bev, fd) with a TCP connection in a running loop.
local function over_tcp(base, fn, options)
  local fd
  local listener
  listener = base:listener("127.0.0.1:0", nil, function(_, socket)
    listener:close()
    fn(base:bufferevent(socket, options), fd)
  end)
  fd = posix.connect(tonumber(listener:getsockname():match ":(%d+)$"))
end

--- Reads from a descriptor to its end, in the loop; then calls done(data).
local function read_all(base, fd, done)
  local parts = {}
  base:event(fd, "rp", function(event)
    local data, code = posix.read(fd)
    if data == nil and code == 11 then
      return
    end
    if data == nil or data == "" then
      event:close()
      posix.close(fd)
      return done(table.concat(parts), code)
    end
    parts[#parts + 1] = data
  end):add()
end

describe("closing a bufferevent", function()
  it("lets the peer see the end at once, without a loop", function()
    local base <close> = libevent.event_base()
    local before = helper.descriptors()
    for _ = 1, helper.stress and 50 or 1000 do
      local bev, fd = connected(base)
      bev:write "last words"
      bev:close()
      assert.equal("last words", posix.read(fd))
      assert.equal("", posix.read(fd))
      posix.close(fd)
    end
    assert.equal(before, helper.descriptors())
  end)

  it("hands over what write has accepted", loop(function(base, expect)
    local bev, fd = connected(base)
    local big = ("0123456789"):rep(200000)
    bev:setcb { write = expect(nil, 0), event = expect(nil, 0),
      read = expect(nil, 0) }
    bev:enable "r"
    assert.is_true(bev:write(big) > 0)
    bev:close()
    assert.is_true(bev:is_closed())
    assert.equal("bufferevent", base:objects()[1].type)
    assert.is_true(base:objects()[1].pending)
    posix.write(fd, "nobody reads this")
    bev = nil -- luacheck: ignore
    collectgarbage()
    read_all(base, fd, expect(function(data)
      assert.is_true(big == data)
    end))
  end))

  it("hands over though sending was disabled", loop(function(base, expect)
    local bev, fd = connected(base)
    bev:disable "w"
    bev:write "held back"
    bev:close()
    read_all(base, fd, expect(function(data)
      assert.equal("held back", data)
    end))
  end))

  it("resets nobody who has sent more than was read",
    loop(function(base, expect)
      over_tcp(base, expect(function(bev, fd)
        bev:write "answer"
        posix.write(fd, ("x"):rep(1000))
        base:timer(expect(function()
          bev:close()
          posix.write(fd, "and more")
          read_all(base, fd, expect(function(data, code)
            assert.equal("answer", data)
            assert.is_nil(code)
          end))
        end)):add(0.01)
      end))
    end))

  it("ends when the peer makes no progress", loop(function(base, expect)
    local bev, fd = connected(base, { linger = 0.05 })
    local before = base:now()
    assert.is_true(bev:write(("x"):rep(1000000)) > 0)
    bev:close()
    base:loop()
    assert.is_true(base:now() - before >= 0.049)
    assert.is_nil(base:objects()[1])
    read_all(base, fd, expect(function(data)
      assert.is_true(#data < 1000000)
    end))
  end))

  it("waits as long as there is progress", loop(function(base, expect)
    local bev, fd = connected(base, { linger = 0.2 })
    local total, got = 2000000, 0
    assert.is_true(bev:write(("x"):rep(total)) > 0)
    bev:close()
    local started = base:now()
    local finish = expect(function()
      assert.equal(total, got)
      assert.is_true(base:now() - started > 0.3) -- longer than linger
      posix.close(fd)
    end)
    base:timer(function(timer)
      local until_now = got
      while got < total and got - until_now < total / 10 do
        local data = posix.read(fd)
        got = got + #(data or "")
        if not data then
          break
        end
      end
      if got < total then
        return timer:add(0.05)
      end
      finish()
    end):add(0.05)
  end))

  it("drops the rest on request, or with linger = 0", function()
    for _, how in ipairs { "now", "linger" } do
      loop(function(base, expect)
        local bev, fd = connected(base, how == "linger" and { linger = 0 } or
          nil)
        assert.is_true(bev:write(("x"):rep(1000000)) > 0)
        if how == "now" then
          bev:close "now"
        else
          bev:close()
        end
        assert.same({}, base:objects())
        read_all(base, fd, expect(function(data)
          assert.is_true(#data < 1000000)
        end))
      end)()
    end
    local base <close> = libevent.event_base()
    local bev <close> = base:bufferevent()
    assert.error_matches(function()
      bev:close "later"
    end, "bad argument #1 to 'close' %(invalid option 'later'%)")
  end)

  it("can be cut short", loop(function(base)
    local bev, fd = connected(base)
    bev:write(("x"):rep(1000000))
    bev:close()
    bev:close()
    assert.equal(1, #base:objects())
    bev:close "now"
    assert.same({}, base:objects())
    posix.close(fd)
  end))

  it("is over with an error of the connection", loop(function(base)
    local bev, fd = connected(base)
    bev:write(("x"):rep(1000000))
    bev:close()
    posix.close(fd)
    assert.equal("empty", base:loop())
    assert.same({}, base:objects())
  end))

  it("is over when the base is closed", function()
    local before = helper.descriptors()
    local base = libevent.event_base()
    local bev, fd = connected(base)
    bev:write(("x"):rep(1000000))
    bev:close()
    base:close()
    assert.matches(" closed$", tostring(bev))
    posix.close(fd)
    assert.equal(before, helper.descriptors())
  end)

  it("of a connection on its way waits for it", loop(function(base, expect)
    local listener
    listener = base:listener("127.0.0.1:0", nil, expect(function(_, socket)
      listener:close()
      local bev = base:bufferevent(socket)
      bev:setcb {
        event = expect(function(self, what)
          assert.equal("eof", what)
          assert.equal("said before", self:read())
          self:close()
        end),
      }
      bev:setwatermark("r", 1000)
      bev:enable "r"
    end))
    local bev = base:bufferevent()
    bev:write "said before"
    assert(bev:connect(listener:getsockname()))
    bev:close()
  end))

  it("by a block closes at ease, too", loop(function(base, expect)
    local big = ("x"):rep(500000)
    local socket, peer = libevent.socketpair()
    local fd = peer:detach()
    do
      local bev <close> = base:bufferevent(socket)
      bev:write(big)
    end
    read_all(base, fd, expect(function(data)
      assert.is_true(big == data)
    end))
  end))

  it("in a forked child leaves the connection to the parent",
    loop(function(base, expect)
      local bev, fd = connected(base)
      bev:write(("x"):rep(1000000))
      assert.same({ "exit", 0 }, { helper.child(function()
        bev:close()
        assert.is_true(bev:is_closed())
      end) })
      bev:close()
      read_all(base, fd, expect(function(data)
        assert.equal(1000000, #data)
      end))
    end))

  it("frees its descriptor for others in the same turn",
    loop(function(base, expect)
      local one, fd = connected(base)
      local other, peer = connected(base)
      local number = other:fd()
      other:setcb { read = expect(nil, 0), event = expect(nil, 0) }
      one:setcb { read = expect(function()
        other:close "now"
        local new, far = assert(libevent.socketpair())
        assert.equal(number, new:fd())
        local third = base:bufferevent(new)
        third:setcb { read = expect(nil, 0) }
        third:enable "r"
        base:timer(expect(function()
          third:close()
          far:close()
          one:close()
          posix.close(fd)
          posix.close(peer)
        end)):add(0.02)
      end) }
      one:enable "r"
      other:enable "r"
      posix.write(fd, "x")
      posix.write(peer, "stale")
    end))
end)
