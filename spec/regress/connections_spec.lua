local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"
local program = require "spec.program"

local loop, connected = helper.loop, helper.connected

--- Two ends of a TCP connection: a bufferevent and a descriptor.
local function over_tcp(base, fn)
  local fd
  local listener
  listener = base:listener("127.0.0.1:0", nil, function(_, socket)
    listener:close()
    fn(base:bufferevent(socket, { linger = 1 }), fd)
  end)
  fd = posix.connect(program.port(listener:getsockname()))
end

describe("a bufferevent", function()
  it("closed while the system still has output to send loses none of it",
    loop(function(base, expect)
      local total, got = 1000000, 0
      over_tcp(base, expect(function(bev, fd)
        assert.equal(0, bev:write(("r"):rep(total))) -- the system takes it all
        bev:close()
        posix.write(fd, "the rest of a request")
        base:event(fd, "rp", function(event)
          local data = posix.read(fd)
          got = got + #(data or "")
          if data == "" then
            event:close()
            posix.close(fd)
          end
        end):add()
      end))
      base:loop()
      assert.equal(total, got)
    end))

  it("goes on reading after an error of writing", loop(function(base, expect)
    local one, other = libevent.socketpair()
    local bev, seen = base:bufferevent(one), {}
    bev:setcb {
      read = expect(function()
        seen[#seen + 1] = bev:read()
      end),
      event = expect(function(_, what)
        seen[#seen + 1] = what
        if what == "eof" then
          bev:close()
        else
          local fd = other:detach()
          posix.write(fd, "data after")
          posix.close(fd)
        end
      end, 2),
    }
    bev:enable "r"
    other:shutdown "r"
    bev:write "x"
    base:loop()
    assert.same({ "error", "data after", "eof" }, seen)
  end))

  it("tells change callbacks of the output's last bytes",
    loop(function(base)
      local bev, fd = connected(base)
      local added, deleted = 0, 0
      bev:output():add_cb(function(_, a, d)
        added, deleted = added + a, deleted + d
      end)
      bev:write "hello"
      base:loop()
      assert.same({ 5, 5 }, { added, deleted })
      bev:close()
      posix.close(fd)
    end))

  it("without a descriptor keeps no loop running", loop(function(base)
    local bev <close> = base:bufferevent()
    bev:enable "r"
    bev:write "queued"
    bev:disable "w"
    bev:enable "w"
    assert.equal("empty", base:loop())
    assert.equal(6, #bev:output())
  end))

  it("whose connect timed out keeps no loop running",
    loop(function(base, expect)
      local full = base:listener("127.0.0.1:0",
        { backlog = 1, disabled = true }, print)
      local at, waiting = full:getsockname(), {}
      for i = 1, 4 do
        waiting[i] = base:bufferevent()
        waiting[i]:connect(at)
      end
      local bev = base:bufferevent()
      bev:set_timeouts(nil, 0.05)
      bev:setcb { event = expect(function()
        for i = 1, 4 do
          waiting[i]:close "now"
        end
      end) }
      bev:connect(at)
      assert.equal("empty", base:loop())
      assert.is_nil(bev:fd())
      full:close()
      bev:close()
    end))

  it("takes a priority while a callback is on its way, and keeps it",
    loop(function(base, expect)
      local bev, fd = connected(base)
      bev:setcb { write = expect() }
      bev:write "x"
      assert.is_true(bev:priority_set(0))
      base:event(-1, "", expect()):add(0.001)
      base:loop()
      bev:close()
      posix.close(fd)
      local client = base:bufferevent()
      client:priority_set(0)
      client:connect "127.0.0.1:1"
      assert.equal(0, client:priority())
      client:close()
    end, { priorities = 4 }))

  it("is let go after a change callback that raised",
    loop(function(base)
      local probe = setmetatable({}, { __mode = "k" })
      local source = libevent.evbuffer "x"
      source:add_cb(function()
        error "boom"
      end)
      do
        local bev, fd = connected(base)
        probe[bev] = true
        assert.error_matches(function()
          bev:write(source)
        end, "boom")
        posix.close(fd)
      end
      helper.collect()
      assert.is_nil(next(probe))
    end))

  it("lets no finalizer write into the middle of a string",
    loop(function(base)
      local bev, fd = connected(base)
      local stop = false
      local function meddle()
        if not stop and not bev:is_closed() then
          bev:write "<"
          setmetatable({}, { __gc = meddle })
        end
      end
      meddle()
      local got, text = {}, ("x"):rep(300000)
      bev:write(text)
      collectgarbage()
      stop = true
      while #bev:output() > 0 do
        base:loop "nowait"
        got[#got + 1] = posix.read(fd)
      end
      repeat
        local data = posix.read(fd)
        got[#got + 1] = data
      until not data
      assert.is_truthy(table.concat(got):find(text, 1, true))
      bev:close()
      posix.close(fd)
    end))

  it("may be closed by a finalizer while it writes", loop(function(base)
    local long, closed = ("x"):rep(100000), 0
    for _ = 1, 20 do
      local bev, fd = connected(base, { linger = 0 })
      bev:write(long:rep(10)) -- more than the socket takes
      collectgarbage "stop"
      setmetatable({}, { __gc = function()
        bev:close()
      end })
      -- The next allocation runs a whole cycle: it is what a reference needs.
      local mode = collectgarbage("incremental", 100, 1000, 30)
      collectgarbage "restart"
      local ok, message = pcall(bev.write, bev, long)
      collectgarbage("incremental", 200, 100, 13)
      collectgarbage(mode)
      closed = closed + (ok and 0 or 1)
      assert.is_true(ok or message:find "closed bufferevent" ~= nil)
      bev:close()
      posix.close(fd)
    end
    assert.is_true(closed > 0)
  end))

  it("closed in a forked child with reinit is still the parent's",
    loop(function(base)
      local bev, fd = connected(base)
      local total, got = 1000000, 0
      bev:write(("x"):rep(total))
      assert.same({ "exit", 0 }, { helper.child(function()
        assert(base:reinit())
        bev:close()
      end) })
      bev:close()
      base:event(fd, "rp", function(event)
        local data = posix.read(fd)
        got = got + #(data or "")
        if data == "" then
          event:close()
          posix.close(fd)
        end
      end):add()
      base:loop()
      assert.equal(total, got)
    end))
end)

describe("a pair", function()
  it("calls back though a timer comes due in the same turn",
    loop(function(base, expect)
      local one, other = base:pair()
      local r, w = posix.pipe()
      other:setcb { read = expect(function()
        one:close()
        other:close()
      end) }
      other:enable "r"
      base:event(r, "r", expect(function()
        one:write "hello"
        posix.spin(0.003)
        posix.close(r)
        posix.close(w)
      end)):add()
      base:timer(expect()):add(0.002)
      base:loop "nowait"
      posix.write(w, "x")
      posix.spin(0.005)
    end))

  it("has a write timeout", loop(function(base, expect)
    local one, other = base:pair()
    one:setcb { event = expect(function(_, ...)
      assert.same({ "timeout", "w", "timed out", 110 }, { ... })
      assert.equal("", one:enabled())
      one:close()
      other:close()
    end) }
    one:write "nobody reads"
    one:set_timeouts(nil, 0.01)
  end))
end)

describe("a listener without descriptors", function()
  it("may be disabled and enabled in its error callback",
    loop(function(base, expect)
      local listener
      listener = base:listener("127.0.0.1:0", nil, expect(function(_, socket)
        socket:close()
        listener:close()
      end))
      local taken = {}
      listener:set_error_cb(expect(function(self)
        self:disable()
        self:enable()
        base:timer(function()
          for _, fd in ipairs(taken) do
            posix.close(fd)
          end
        end):add(0.05)
      end))
      local fd = posix.connect(program.port(listener:getsockname()))
      local limit = posix.nofile(helper.descriptors() + 20)
      repeat
        local more = posix.dup(0)
        taken[#taken + 1] = more
      until not more
      base:loop()
      posix.nofile(limit)
      posix.close(fd)
    end))
end)
