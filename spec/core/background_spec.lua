local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

describe("the background", function()
  local base
  local peers = {}

  before_each(function()
    base = assert(libevent.event_base())
    posix.alarm(30)
  end)

  after_each(function()
    base:close()
    for _, peer in ipairs(peers) do
      peer:close()
    end
    peers = {}
    posix.alarm(0)
  end)

  local makers = {
    timer = function()
      local timer = base:timer(print)
      timer:add(1000)
      return timer
    end,
    signal = function()
      local signal = base:signal("USR1", print)
      assert(signal:add())
      return signal
    end,
    event = function()
      local event = base:event(posix.pipe(), "rp", print)
      event:add()
      return event
    end,
    evconnlistener = function()
      return (assert(base:listener("127.0.0.1:0", nil, print)))
    end,
    stream = function()
      local one, other = libevent.socketpair()
      local stream = base:stream(one)
      stream:setcb { read = print, event = function() end }
      peers[#peers + 1] = other
      return stream
    end,
    udp = function()
      local udp = assert(base:udp "127.0.0.1:0")
      udp:setcb { read = print }
      return udp
    end,
    bufferevent = function()
      local one, other = libevent.socketpair()
      local bev = base:bufferevent(one)
      bev:setcb { read = print, event = print }
      bev:enable "r"
      peers[#peers + 1] = other
      return bev
    end,
    ["bufferevent without callbacks"] = function()
      local one, other = libevent.socketpair()
      local bev = base:bufferevent(one)
      bev:enable "r"
      peers[#peers + 1] = other
      return bev
    end,
    ["bufferevent that connects"] = function()
      local listener <close> = assert(base:listener("127.0.0.1:0"))
      local bev = base:bufferevent()
      bev:background()
      bev:connect(listener:getsockname())
      return bev
    end,
  }

  for kind, make in pairs(makers) do
    it("does not keep a loop running: " .. kind, function()
      local object = make()
      object:background()
      assert.equal("empty", base:loop())
      object:background(false)
      base:timer(function()
        object:background(true)
      end):add(0)
      assert.equal("empty", base:loop())
      object:close()
      assert.equal("empty", base:loop())
    end)
  end

  it("calls back while the loop runs for something else", function()
    local log = {}
    local timer = base:timer(function()
      log[#log + 1] = "background"
    end)
    timer:background()
    timer:add(0.001)
    base:timer(function()
      log[#log + 1] = "other"
    end):add(0.003)
    assert.equal("empty", base:loop())
    assert.same({ "background", "other" }, log)
  end)

  it("calls back of a stream, too, and forgets it when it is closed", function()
    local one, other = libevent.socketpair()
    local stream, got = base:stream(one), {}
    stream:background()
    stream:setcb {
      read = function(_, data)
        got[#got + 1] = data
      end,
      event = function(_, what)
        got[#got + 1] = what
        stream:close()
      end,
    }
    assert.equal("empty", base:loop())
    local timer = base:timer(function() end)
    timer:add(0.02)
    posix.write(other:fd(), "data")
    other:close()
    assert.equal("empty", base:loop())
    assert.same({ "data", "eof" }, got)
    assert.is_nil(base:num_objects().stream)
    local again = base:timer(function() end)
    again:add(0.001)
    assert.equal("empty", base:loop())
  end)

  it("does not wait for what a stream has not sent", function()
    local one, other = libevent.socketpair()
    local stream = base:stream(one)
    stream:background()
    stream:write(("x"):rep(1000000))
    assert.is_true(select(2, stream:pending()) > 0)
    assert.equal("empty", base:loop())
    stream:close()
    assert.equal("empty", base:loop())
    other:close()
  end)

  it("does not wait for what a bufferevent has not sent", function()
    local one, other = libevent.socketpair()
    local bev = base:bufferevent(one)
    bev:background()
    assert.is_true(bev:write(("x"):rep(1000000)) > 0)
    assert.equal("empty", base:loop())
    bev:close()
    assert.equal("empty", base:loop())
    other:close()
  end)

  it("calls back of a bufferevent, too, and forgets it when it is closed",
    function()
      local one, other = libevent.socketpair()
      local bev, got = base:bufferevent(one), {}
      bev:background()
      bev:setcb {
        read = function()
          got[#got + 1] = bev:read()
        end,
        event = function(_, what)
          got[#got + 1] = what
          bev:close()
        end,
      }
      bev:enable "r"
      assert.equal("empty", base:loop())
      base:timer(function() end):add(0.02)
      posix.write(other:fd(), "data")
      other:close()
      assert.equal("empty", base:loop())
      assert.same({ "data", "eof" }, got)
      assert.is_nil(base:num_objects().bufferevent)
      -- Nothing is in the background: the loop goes on for what is enabled.
      local bare = makers["bufferevent without callbacks"]()
      base:timer(function()
        base:loopbreak()
      end):add(0.01)
      assert.equal("break", base:loop())
      bare:close()
    end)

  it("may be set before the object is pending, and holds afterwards", function()
    local timer = base:timer(function(self)
      self:add(1000)
    end)
    timer:background(true)
    timer:background(true)
    assert.equal("empty", base:loop())
    timer:add(0)
    base:timer(function() end):add(0.002)
    assert.equal("empty", base:loop())
    assert.equal("t", (timer:pending()))
    timer:del()
    timer:background(false)
    timer:add(0.001)
    base:timer(function()
      timer:del()
    end):add(0.005)
    assert.equal("empty", base:loop())
  end)

  it("ends a run, too", function()
    local ended = false
    libevent.run(base, function()
      makers.signal():background()
      libevent.sleep(0)
      ended = true
    end)
    assert.is_true(ended)
  end)

  it("refuses bad arguments, and objects that have none", function()
    local timer = base:timer(print)
    helper.badargs(timer.background, timer, "?boolean")
    assert.is_nil(base:condition().background)
    timer:close()
    assert.error_matches(function()
      timer:background()
    end, "attempt to use a closed timer")
  end)
end)
