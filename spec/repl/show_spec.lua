local show = require "libevent.repl.show"

describe("a shown value", function()
  it("is what one would type", function()
    for text, value in pairs {
      ["1"] = 1, ["1.5"] = 1.5, ["true"] = true, ["{}"] = {},
      ['"a\\n\\0\\27\\"b"'] = 'a\n\0\27"b',
      ["{ 1, 2, 3 }"] = { 1, 2, 3 },
      ['{ 1, a = "x", b = { true } }'] = { 1, b = { true }, a = "x" },
      ['{ [-1] = 1, ["a b"] = 2 }'] = { [-1] = 1, ["a b"] = 2 },
    } do
      assert.equal(text, show.value(value))
    end
    assert.equal("nil", show.value(nil))
    assert.equal('1\tnil\t"x"\tnil', show.values(1, nil, "x", nil))
    assert.equal("", show.values())
  end)

  it("ends, whatever is in it", function()
    local cycle = {}
    cycle.self = cycle
    assert.equal("{ self = <cycle> }", show.value(cycle))
    assert.equal("{ { { {…} } } }", show.value { { { { { 1 } } } } })
    local long = {}
    for i = 1, 1000 do
      long[i] = i
    end
    assert.matches("… 950 more\n}$", show.value(long))
    assert.matches("… 100000 bytes$", show.value(("x"):rep(100000)))
  end)

  it("is cut into lines where it is long", function()
    assert.equal(('{\n  a = "%s",\n  b = {\n    c = "%s",\n    d = 1\n  }\n}')
      :format(("x"):rep(70), ("y"):rep(70)),
      show.value { a = ("x"):rep(70), b = { c = ("y"):rep(70), d = 1 } })
  end)

  it("says what it is where it says so itself", function()
    assert.equal("mine", show.value(setmetatable({}, { __tostring = function()
      return "mine"
    end })))
    assert.equal("table whose __tostring fails",
      show.value(setmetatable({}, { __tostring = error })))
    assert.matches("^file %(0x", show.value(io.stdout))
  end)
end)
