-- What is called when a drain begins.

local echoes = require "spec.echoes"
local helper = require "spec.helper"
local libevent = require "libevent"

local run = helper.run
local drain, serve = libevent.drain, libevent.serve
local sleep = libevent.sleep
local pack = table.pack
local echo = echoes.echo
local ask = echoes.ask
local client = echoes.client

local anywhere = "127.0.0.1:0"

describe("libevent.on_drain", function()
  local on_drain = libevent.on_drain

  it("calls functions in tasks, when listeners are closed and connections not",
    run(function(base)
      local order = {}
      local server = assert(serve(anywhere, function(stream)
        echo(stream)
        order[#order + 1] = "closed"
      end))
      local stream <close> = client(server)
      assert.equal("1", ask(stream, "1"))
      on_drain(function()
        order[#order + 1] = server:is_closed() and "first"
        sleep(0.02)
        order[#order + 1] = "end"
      end)
      local remove = on_drain(error)
      on_drain(function()
        order[#order + 1] = libevent.running() and "second"
      end)
      remove()
      remove()
      assert.same({ 0, {}, n = 2 }, pack(drain(base, 10, 0)))
      assert.same({ "first", "second", "closed", "end" }, order)
      assert.equal(0, drain(base, 10))
      assert.equal(7, #order)
    end))

  it("goes on when one fails", run(function(base)
    local errors, called = {}, false
    on_drain(function()
      error("no", 0)
    end)
    on_drain(function()
      called = true
    end)
    base:on_error(function(err, traceback)
      errors[#errors + 1] = { err, traceback:match "stack traceback" }
    end)
    assert.equal(0, drain(base, 10))
    assert.same({ { "no", "stack traceback" } }, errors)
    assert.is_true(called)
    local log = require "libevent.log"
    local lines = {}
    local before = log.output(function(line)
      lines[#lines + 1] = line
    end)
    base:on_error(nil)
    assert.equal(0, drain(base, 10))
    log.output(before)
    assert.equal(1, #lines)
    assert.matches("a function of on_drain failed", lines[1], 1, true)
  end))

  it("cancels those that last too long", run(function(base)
    local ended = false
    on_drain(function()
      local _ <close> = setmetatable({}, { __close = function()
        sleep(0.001)
        ended = true
      end })
      sleep(100)
    end)
    assert.same({ 0, {}, n = 2 }, pack(drain(base, 0.01)))
    assert.is_true(ended)
  end))

  it("refuses bad arguments", run(function()
    for _, bad in ipairs { 1, "x", {}, false } do
      assert.error_matches(function()
        on_drain(bad)
      end, "bad argument #1 to 'on_drain' %(function expected, got")
    end
  end))

  it("needs a loop", function()
    assert.error_matches(function()
      on_drain(print)
    end, "no loop runs")
  end)
end)
