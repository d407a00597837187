local helper = require "spec.helper"
local libevent = require "libevent"

local run, badargs = helper.run, helper.badargs
local spawn, sleep, scope = libevent.spawn, libevent.sleep, libevent.scope

local ECANCELED, ETIMEDOUT = 125, 110
local pack = table.pack

describe("a scope", function()
  it("returns what its function returns, when all tasks have ended",
    run(function()
    local ended = 0
    local function work(seconds)
      sleep(seconds)
      ended = ended + 1
    end
    local got = pack(scope(function(self, a, b)
      self:spawn(work, 0.002)
      spawn(work, 0.001)
      spawn(function()
        spawn(work, 0.003)
      end)
      return a, b, nil
    end, 1, 2))
    assert.same(pack(1, 2, nil), got)
    assert.equal(3, ended)
  end))

  it("without tasks is a call", run(function()
    assert.same(pack(), pack(scope(function() end)))
    assert.is_false((pcall(scope, error)))
  end))

  it("cancels the others and its function when a task fails", run(function()
    local value, log = {}, {}
    local function wait(name)
      local _ <close> = setmetatable({}, { __close = function(_, err)
        log[name] = tostring(err)
      end })
      sleep(10)
    end
    local ok, got = pcall(scope, function(self)
      self:spawn(wait, "kid")
      self:spawn(function()
        sleep(0.001)
        error(value)
      end)
      wait "body"
    end)
    assert.is_true(not ok and got == value)
    assert.same({ kid = "canceled", body = "canceled" }, log)
    sleep(0) -- is not canceled itself
  end))

  it("raises a task's error though its function has returned", run(function()
    local ok, got = pcall(scope, function(self)
      self:spawn(function()
        sleep(0.001)
        error "late"
      end)
      self:spawn(sleep, 10)
    end)
    assert.is_false(ok)
    assert.matches("late", got)
  end))

  it("cancels its tasks when its function fails", run(function()
    local task
    local ok, got = pcall(scope, function(self)
      task = self:spawn(sleep, 10)
      sleep(0)
      error("body", 0)
    end)
    assert.is_true(not ok and got == "body")
    assert.equal("canceled", task:status())
  end))

  it("keeps the traceback of the task that failed", run(function()
    local owner = spawn(function()
      scope(function(self)
        self:spawn(function()
          local function where_it_is()
            error "x"
          end
          where_it_is()
        end)
      end)
    end)
    assert.is_false(pcall(owner.wait, owner))
    assert.matches("where_it_is", owner:traceback())
  end))

  it("is ended by cancel", run(function()
    local task
    assert.same(pack(nil, "canceled", ECANCELED), pack(scope(function(self)
      task = self:spawn(sleep, 10)
      spawn(function()
        sleep(0.001)
        self:cancel()
      end)
      sleep(10)
    end)))
    assert.equal("canceled", task:status())
    assert.same(pack "done", pack(scope(function(self)
      self:spawn(sleep, 10)
      self:cancel()
      return "done"
    end)))
    sleep(0)
  end))

  it("takes no more tasks when it is over", run(function()
    local kept, late
    scope(function(self)
      kept = self
      self:cancel()
      late = self:spawn(error, "never")
    end)
    assert.equal("canceled", late:status())
    assert.error_matches(function()
      kept:spawn(print)
    end, "closed scope")
  end))

  it("ends with the task that has opened it", run(function()
    local kid
    local owner = spawn(function()
      scope(function(self)
        kid = self:spawn(sleep, 10)
        sleep(10)
      end)
    end)
    sleep(0)
    sleep(0)
    owner:cancel()
    assert.same(pack(nil, "canceled", ECANCELED), pack(owner:wait()))
    assert.equal("canceled", kid:status())
  end))

  it("is told of a cancel while it waits for its tasks", run(function()
    local kid
    local owner = spawn(function()
      scope(function(self)
        kid = self:spawn(sleep, 10)
      end)
      sleep(0)
      error "never"
    end)
    sleep(0)
    sleep(0)
    owner:cancel()
    owner:wait()
    assert.equal("canceled", owner:status())
    assert.equal("canceled", kid:status())
  end))

  it("waits for its tasks' <close> variables", run(function()
    local closed
    pcall(scope, function(self)
      self:spawn(function()
        local _ <close> = setmetatable({}, { __close = function()
          sleep(0.002)
          closed = true
        end })
        sleep(10)
      end)
      sleep(0)
      error "x"
    end)
    assert.is_true(closed)
  end))

  it("within a timeout ends in time, with all of it", run(function()
    local kid
    assert.same(pack(nil, "timed out", ETIMEDOUT), pack(libevent.timeout(0.002,
      scope, function(self)
        kid = self:spawn(sleep, 10)
        sleep(10)
      end)))
    assert.is_true(kid:status() == "timed out" or kid:status() == "canceled")
    assert.same(pack(nil, "timed out", ETIMEDOUT), pack(libevent.timeout(0.002,
      scope, function(self)
        self:spawn(sleep, 10)
        return "not all of it was done"
      end)))
  end))

  it("nests 1,000 deep, and is canceled as a whole", run(function()
    local deepest
    local function nest(n)
      scope(function(self)
        if n == 0 then
          deepest = true
          sleep(10)
        else
          self:spawn(nest, n - 1)
        end
      end)
    end
    local task = spawn(nest, 1000)
    while not deepest do
      sleep(0)
    end
    task:cancel()
    assert.same(pack(nil, "canceled", ECANCELED), pack(task:wait()))
  end))

  it("refuses bad arguments", run(function()
    badargs(function(_, ...) return scope(...) end, nil, "function")
    scope(function(self)
      badargs(self.spawn, self, "function")
    end)
  end))
end)
