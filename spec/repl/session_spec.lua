local helper = require "spec.helper"
local libevent = require "libevent"
local session = require "libevent.repl.session"

local run, spawn, sleep = helper.run, libevent.spawn, libevent.sleep

--- A session, and a function that tells what it said since.
local function start(base, limit)
  local said = {}
  local self = session.new(base, function(text)
    said[#said + 1] = text
  end, limit)
  return self, function()
    local text = table.concat(said)
    said = {}
    return text
  end
end

describe("a session", function()
  it("shows the values of an input", run(function(base)
    local self, said = start(base)
    assert.is_false(self:feed "1, 'x', nil")
    assert.equal('1\t"x"\tnil\n', said())
    for _, text in ipairs { "1, 'x', nil;", "1, 'x', nil -- three" } do
      self:feed(text)
      assert.equal('1\t"x"\tnil\n', said())
    end
    self:feed "_ + 1"
    assert.equal("2\n", said())
    self:feed "local unused = 1"
    assert.equal("", said())
    self:feed ""
    assert.equal("", said())
  end))

  it("shares the global variables of the program", run(function(base)
    local self, said = start(base)
    self:feed "session_spec = 7"
    assert.equal(7, rawget(_G, "session_spec"))
    self:feed "session_spec"
    assert.equal("7\n", said())
    rawset(_G, "session_spec", nil)
    assert.is_nil(rawget(_G, "_"))
  end))

  it("writes what an input prints", run(function(base)
    local self, said = start(base)
    self:feed "print('a', nil) io.write('b', 1)"
    assert.equal("a\tnil\nb1", said())
  end))

  it("takes an input of several lines", run(function(base)
    local self, said = start(base)
    assert.is_true(self:feed "for i = 1, 2 do")
    assert.is_true(self:feed "")
    assert.is_true(self:feed "print(i)")
    assert.is_false(self:feed "end")
    assert.equal("1\n2\n", said())
    assert.is_true(self:feed "f(")
    assert.is_false(self:interrupt())
    assert.is_false(self:feed "3")
    assert.equal("3\n", said())
  end))

  it("waits in an input while others run", run(function(base)
    local self, said = start(base)
    local ticks = 0
    local timer = libevent.every(0.001, function()
      ticks = ticks + 1
    end)
    self:feed "require 'libevent'.sleep(0.01)"
    timer:close()
    assert.equal("true\n", said())
    assert.is_true(ticks > 1)
  end))

  it("says what is wrong, and where", run(function(base)
    local self, said = start(base)
    self:feed "x y"
    assert.equal("input:1: syntax error near 'y'\n", said())
    self:feed "local function bad() error 'no' end bad()"
    local text = said()
    assert.matches("^input:1: no\nstack traceback:\n", text)
    assert.not_matches("session.lua", text)
    self:feed "require 'libevent'.queue(0)"
    text = said()
    assert.matches("^input:1: bad argument #1 to 'queue' ", text)
    assert.matches("\n\tinput:1: in ", text)
    assert.not_matches("session.lua", text)
    self:feed "error {}"
    assert.equal("{}\n", said())
  end))

  it("stops an input that waits, or is too long", run(function(base)
    local self, said = start(base)
    local task = spawn(self.feed, self, "require 'libevent'.sleep(100)")
    sleep(0)
    sleep(0)
    assert.is_true(self:interrupt())
    task:wait()
    assert.equal("canceled\n", said())
    if not helper.stress then
      self, said = start(base, 1000000)
      self:feed "while true do end"
      assert.matches("stopped: too many instructions\n", said())
    end
  end))

  it("does commands", run(function(base)
    local self, said = start(base)
    self:feed ":help"
    assert.matches(":objects", said())
    self:feed ":tasks"
    assert.matches("main", said())
    local timer = base:timer(print)
    timer:add(100)
    self:feed ":objects"
    assert.matches("libevent.timer: 0x%x+ due in", said())
    timer:close()
    self:feed ":time 1 + 1"
    assert.matches("^2\n%d+%.%d+ s\n$", said())
    self:feed ":time x ="
    assert.equal("something is missing\n", said())
    self:feed ":nothing"
    assert.equal("no command :nothing (see :help)\n", said())
    local name = os.tmpname()
    local file = io.open(name, "w")
    file:write "print 'loaded' return 1"
    file:close()
    self:feed(":load " .. name)
    assert.equal("loaded\n1\n", said())
    os.remove(name)
    self:feed(":load " .. name)
    assert.matches("cannot open", said())
    self:feed ":load"
    assert.equal("which file?\n", said())
    local began = os.clock()
    self:feed(":time 1" .. (" "):rep(1e5) .. "+ 1")
    assert.matches("^2\n", said())
    assert.is_true(os.clock() - began < 10)
    assert.is_nil(self:feed ":quit")
  end))
end)
