local libevent = require "libevent"

describe("libevent", function()
  it("offers what the core offers", function()
    for name, value in pairs(require "libevent.core") do
      assert.equal(value, libevent[name])
    end
    assert.is_function(libevent.event_base)
  end)

  it("loads its modules on first use", function()
    assert.equal(require "libevent.version", libevent.version)
    assert.is_nil(libevent.no_such_thing)
  end)

  it("has nothing by names that it does not know", function()
    assert.is_nil(libevent.nothing)
    assert.is_nil(libevent[nil])
    assert.is_nil(libevent[0 / 0])
  end)

  it("knows versions", function()
    assert.matches("^%d+%.%d+%.%d+$", libevent.version)
    local changes <close> = assert(io.open "CHANGELOG.md")
    assert.equal(libevent.version, changes:read "a":match "\n## (%d%S+)\n")
    local version, number, compiled = libevent.get_version()
    assert.matches("^2%.%d+%.%d+", version)
    assert.is_true(number >= 0x02010000)
    assert.equal(number >> 16, compiled >> 16)
  end)
end)
