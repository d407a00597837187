-- What `evrun serve` bears: workers that die in every way, and reloads, while
-- clients go on.

local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"
local program = require "spec.program"
local services = require "spec.services"
local storm = require "spec.load.storm"

local run = helper.run
local share = helper.sanitized and 10 or 1

describe("evrun serve #load", function()
  before_each(function()
    posix.alarm(200)
  end)

  after_each(function()
    posix.alarm(0)
  end)

  it("bears 200 deaths", run(function()
    posix.alarm(200)
    local service <close> = services.start(services.app, "--listen "
      .. services.range(10))
    local result = storm.deaths(service, 200 // share)
    service:stop()
    assert.same({ unanswered = 0, untouched = true }, {
      unanswered = result.unanswered, untouched = result.untouched })
    assert.equal(200 // share, result.deaths)
    assert.is_true(result.grown < 4096, result.grown .. " KiB more")
  end))

  for options, listen in pairs {
    ["one port"] = function()
      return "127.0.0.1:0 --workers 4"
    end,
    ["a port with reuseport"] = function()
      return "127.0.0.1:0 --workers 4 --reuseport"
    end,
    ["ten ports"] = function()
      return services.range(10)
    end,
  } do
    it("reloads without a loss: " .. options, run(function()
      posix.alarm(200)
      posix.alarm(200)
      local service <close> = services.start(services.app, "--listen "
        .. listen())
      local result = storm.reloads(service, 20 // share)
      service:stop()
      assert.same({ 0, 0, 0 }, { result.refused, result.failed, result.lost })
      assert.is_true(result.served >= 20 // share)
    end))
  end

  it("replaces what uses up its memory", run(function()
    if helper.sanitized then
      return -- which needs far more by itself
    end
    local service <close> = services.start([[
      local libevent = require "libevent"
      assert(libevent.serve(libevent.service.address(), function(stream)
        for line in stream:lines() do
          local hoard = {}
          while line == "hoard" do
            hoard[#hoard + 1] = ("x"):rep(1000000 + #hoard)
          end
          stream:write(line, "\n")
        end
      end))
    ]], "--workers 1 --listen 127.0.0.1:0 --limit as=200M")
    local worker = service:ready().workers[1]
    for _ = 1, 3 do
      services.ask(worker.addresses[1], "hoard")
      assert.equal("x", (services.ask(worker.addresses[1], "x")))
    end
    service:stop()
  end))

  it("bears workers that hang, stop or hoard, and lets the others be",
    run(function()
      local limit = helper.sanitized and "" or " --limit as=400M"
      local service <close> = services.start(services.app .. [[
        function does.hoard()
          local hoard = {}
          while true do
            hoard[#hoard + 1] = ("x"):rep(1000000 + #hoard)
          end
        end]], "--heartbeat 0.5" .. limit .. " --listen "
        .. services.range(10))
      local workers, spared = service:ready().workers, {}
      for i = 4, 10 do
        spared[i] = storm.talk(workers[i].addresses[1])
      end
      libevent.spawn(services.ask, workers[1].addresses[1], "hang")
      posix.kill(workers[2].pid, 19)
      if not helper.sanitized then -- which needs more memory by itself
        services.ask(workers[3].addresses[1], "hoard")
      end
      for i = 1, 3 do
        assert.equal(tostring(i), (services.ask(workers[i].addresses[1],
          "number")))
      end
      service:await "no sign of life"
      service:await "no sign of life"
      for i = 4, 10 do
        assert.is_nil(spared[i].failure)
        assert.is_true(spared[i].answers > 0)
        spared[i].done = true
      end
      service:stop()
    end))

  it("has no descriptor too many after all that", run(function()
    local service <close> = services.start(services.app, "--listen "
      .. services.range(3))
    service:ready()
    local before = program.descriptors(service.pid)
    for i = 1, 10 do
      posix.kill(service:ask "status".workers[i % 3 + 1].pid, 9)
      service:await "a worker died"
      service:ask "reload"
    end
    service:settle()
    libevent.timeout(20, function() -- a worker that is gone is seen off then
      while program.descriptors(service.pid) > before do
        libevent.sleep(0.05)
      end
    end)
    assert.equal(before, program.descriptors(service.pid))
    service:stop()
  end))
end)
