local tail = require "libevent.supervisor.tail"

--- A tail, and what it passes on.
local function new()
  local passed = {}
  return tail.new(3, function(text)
    passed[#passed + 1] = text
  end), passed
end

describe("the output of a worker", function()
  it("is passed on in whole lines that say whose they are", function()
    local one, passed = new()
    one:add "a\nb"
    one:add "c"
    one:add "d\n\ne"
    assert.same({ "[3] a\n", "[3] bcd\n[3] \n" }, passed)
    one:finish()
    one:finish()
    assert.equal("[3] e\n", passed[3])
    assert.equal("a\nbcd\n\ne", one:text())
  end)

  it("has log lines that stay such", function()
    local one, passed = new()
    one:add '{"time":"x","level":"info"}\n{"time" : 1}\n'
    assert.same({ '{"worker":3,"time":"x","level":"info"}\n'
      .. '[3] {"time" : 1}\n' }, passed)
  end)

  it("does not drive a terminal", function()
    local one, passed = new()
    one:add "\tat \27[2J\r\u{9b}\7 \u{e4}\xff\n"
    one:add '{"time":"\27c"}\n'
    assert.same({ "[3] \tat \\x1b[2J\\x0d\\u{9b}\\x07 \u{e4}\\xff\n",
      '{"worker":3,"time":"\\x1bc"}\n' }, passed)
  end)

  it("is kept as far as its last lines go", function()
    local one = new()
    for i = 1, 30 do
      one:add(i .. "\n")
    end
    assert.equal("21\n22\n23\n24\n25\n26\n27\n28\n29\n30", one:text())
    one:add(("x"):rep(501) .. "\n")
    assert.matches("\n30\nx+…$", one:text())
    assert.equal(500, #one:text():match "x+")
  end)

  it("may be a line without an end", function()
    local one, passed = new()
    one:add(("x"):rep(8192))
    assert.same({}, passed)
    one:add "x"
    assert.same({ "[3] " .. ("x"):rep(8193) .. "\n" }, passed)
    assert.equal("", one.rest)
  end)
end)
