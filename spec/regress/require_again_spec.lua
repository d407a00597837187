local libevent = require "libevent"

describe("the core, required again", function()
  it("is the same, so that objects made before stay what they are", function()
    local base <close> = libevent.event_base()
    local core = package.loaded["libevent.core"]
    package.loaded["libevent.core"] = nil
    assert.equal(core, require "libevent.core")
    local timer = base:timer(function() end)
    assert.is_true(timer:add(0))
    assert.is_true(base:reinit())
    assert.equal("empty", base:loop())
  end)
end)
