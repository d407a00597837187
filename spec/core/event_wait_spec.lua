local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local run = helper.run
local timed_out = { nil, "timed out", libevent.errno.ETIMEDOUT }

describe("a wait for an event", function()
  it("that may take no time finds what is ready", run(function()
    local r, w = posix.pipe()
    assert.same(timed_out, { libevent.wait(r, "r", 0) })
    posix.write(w, "x")
    for _ = 1, 20 do
      assert.same({ "r" }, { libevent.wait(r, "r", 0) })
      assert.same({ "w" }, { libevent.wait(w, "w", 0) })
    end
    posix.read(r, 1)
    assert.same(timed_out, { libevent.wait(r, "r", 0) })
    posix.close(w)
    assert.same({ "r" }, { libevent.wait(r, "r", 0) })
    posix.close(r)
  end))

  it("finds what the peer has ended", run(function(base)
    local one, other = libevent.socketpair()
    for _, letters in ipairs { "c", "rc", "rwc" } do
      local event <close> = base:event(one, letters)
      local found = event:wait(0)
      assert.equal(letters == "rwc" and "w" or nil, found)
    end
    other:close()
    local event <close> = base:event(one, "rc")
    for _ = 1, 10 do
      assert.equal("rc", event:wait(0))
    end
    event:close()
    one:close()
  end))

  it("is for another where the coroutine was closed", run(function(base)
    local event <close> = base:event(-1, "")
    local co
    local task = libevent.spawn(function()
      co = coroutine.running()
      event:wait()
    end)
    libevent.sleep(0)
    coroutine.close(co)
    assert.same(timed_out, { event:wait(0.001) })
    task:cancel()
    task:wait(10)
  end))

  it("is of one task at a time", run(function(base)
    local r, w = posix.pipe()
    local event <close> = base:event(r, "r")
    local task = libevent.spawn(event.wait, event)
    task:name "first"
    libevent.sleep(0)
    assert.error_matches(function()
      event:wait()
    end, "a task waits for this event already: first")
    posix.write(w, "x")
    assert.equal("r", (task:wait()))
    assert.equal("r", event:wait())
    posix.close(r)
    posix.close(w)
  end))

  it("stops one that persists when it happens while nobody waits",
    run(function(base)
      local r, w = posix.pipe()
      local event <close> = base:event(r, "rp")
      posix.write(w, "x")
      assert.equal("r", event:wait())
      assert.equal("r", event:pending())
      libevent.sleep(0.001)
      assert.is_nil(event:pending())
      assert.equal("r", event:wait())
      posix.close(r)
      posix.close(w)
    end))

  it("leaves one with a callback to that", run(function(base)
    local r, w = posix.pipe()
    local came = 0
    local event <close> = base:event(r, "r", function()
      came = came + 1
    end)
    event:add()
    posix.write(w, "x")
    local found = event:wait(0)
    libevent.sleep(0.001)
    assert.equal(found and 0 or 1, came)
    posix.close(r)
    posix.close(w)
  end))
end)
