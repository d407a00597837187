local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local function refuses(options, message)
  local ok, err = pcall(libevent.event_base, options)
  assert.is_false(ok)
  assert.matches("bad argument #1", err, 1, true)
  assert.matches(message, err, 1, true)
end

describe("event_config", function()
  it("avoids methods", function()
    local base <close> = libevent.event_base { avoid = { "epoll" } }
    assert.equal("poll", base:method())
    local other <close> = libevent.event_base { avoid = { "epoll", "poll" } }
    assert.equal("select", other:method())
  end)

  it("requires features", function()
    local base <close> = libevent.event_base { require = { "et", "o1" } }
    assert.is_true(base:features().o1)
    local none, message, code = libevent.event_base {
      require = { "et" }, avoid = { "epoll" },
    }
    assert.is_nil(none)
    assert.matches("^event_base: ", message)
    assert.is_number(code)
    assert.is_nil((libevent.event_base { avoid = { "epoll", "poll",
      "select" } }))
  end)

  it("takes flags", function()
    for _, name in ipairs { "precise", "changelist", "nolock",
      "no_cache_time", "ignore_env" } do
      for _, value in ipairs { true, false } do
        local base <close> = assert(libevent.event_base { [name] = value })
        local fired = false
        base:event(-1, "", function()
          fired = true
        end):add(0.001)
        assert.equal("empty", base:loop())
        assert.is_true(fired)
      end
      refuses({ [name] = 1 }, "option '" .. name .. "'")
    end
  end)

  it("asks the environment, or not", function()
    helper.prints("poll\nepoll\n", [[
      local libevent = require "libevent"
      print(libevent.event_base():method())
      print(libevent.event_base { ignore_env = true }:method())
    ]], "EVENT_NOEPOLL=1")
  end)

  it("runs priorities in their order", helper.loop(function(base, expect)
    local order = {}
    for priority = 2, 0, -1 do
      local event = base:event(-1, "", expect(function(event)
        order[#order + 1] = event:priority()
        if #order == 3 then
          assert.same({ 0, 1, 2 }, order)
        end
      end))
      assert.is_true(event:priority_set(priority))
      event:active()
    end
    assert.equal(3, base:priorities())
  end, { priorities = 3 }))

  it("bounds a turn", function()
    local base <close> = libevent.event_base {
      max_dispatch = { interval = 0.001, callbacks = 5, min_priority = 0 },
    }
    local turns, polled = 0, 0
    local again = base:event(-1, "", function(event)
      turns = turns + 1
      if turns < 50 then
        event:active()
      end
    end)
    again:active()
    local r, w = posix.pipe()
    assert(base:event(w, "wp", function(event)
      polled = polled + 1
      if turns >= 50 then
        event:close()
      end
    end):add())
    base:loop()
    assert.is_true(polled >= 5)
    posix.close(r)
    posix.close(w)
  end)

  it("does not let an event that activates itself starve others", function()
    local base <close> = libevent.event_base()
    local seen = false
    local again = base:event(-1, "", function(event)
      if not seen then
        event:active()
      end
    end)
    again:active()
    base:timer(function()
      seen = true
    end):add(0.001)
    assert.equal("empty", base:loop())
  end)

  it("refuses what it does not know", function()
    refuses({ priority = 1 }, "unknown option 'priority'")
    refuses({ "epoll" }, "unknown option '1'")
    refuses({ avoid = "epoll" }, "option 'avoid': list of strings expected")
    refuses({ avoid = { 1 } }, "option 'avoid': list of strings expected")
    refuses({ avoid = { "kpoll" } }, "unknown method 'kpoll'")
    refuses({ require = { "speed" } }, "unknown feature 'speed'")
    refuses({ require = 1 }, "option 'require'")
    for _, n in ipairs { 0, 256, 1.5, -1, "3", 2 ^ 53 } do
      refuses({ priorities = n }, "option 'priorities': integer from 1 to 255")
    end
    refuses({ max_dispatch = 1 }, "option 'max_dispatch': table expected")
    refuses({ max_dispatch = { x = 1 } }, "unknown option 'x'")
    refuses({ max_dispatch = { interval = 0 / 0 } }, "option 'interval'")
    refuses({ max_dispatch = { callbacks = 0 } }, "option 'callbacks'")
    refuses({ max_dispatch = { min_priority = -1 } }, "'min_priority'")
    helper.badargs(function(_, ...)
      return libevent.event_base(...)
    end, nil, "?table")
  end)

  it("passes errors of metamethods on", function()
    local options = setmetatable({}, { __index = function()
      error "no field"
    end })
    assert.error_matches(function()
      libevent.event_base(options)
    end, "no field")
  end)
end)
