local backoff = require "libevent.supervisor.backoff"

--- Without chance.
local function new(changes)
  local how = {}
  for name, value in pairs(backoff.defaults) do
    how[name] = changes and changes[name] or value
  end
  return backoff.new(how, function()
    return 0
  end)
end

describe("the delay before a worker is started again", function()
  it("is none where it has served for some time", function()
    local one = new()
    for now = 1, 100 do
      assert.same({ 0, false }, { one:died(now, 0.5) })
    end
  end)

  it("is none the first time, then doubles", function()
    local one = new { intensity = 100 }
    for i, delay in ipairs { 0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6,
      30, 30 } do
      assert.equal(delay, (one:died(i, i % 2 == 0 and 0.4 or nil)))
    end
    assert.equal(0, (one:died(20, 1)))
    assert.equal(0.1, (one:died(21, 0)))
  end)

  it("is left to chance by a fifth", function()
    local one = backoff.new(backoff.defaults)
    one:died(0, 0)
    for _ = 1, 50 do
      one:reset()
      one:died(0, 0)
      local delay = one:died(0, 0)
      assert.is_true(delay >= 0.1 and delay <= 0.12)
    end
  end)

  it("tells a crash loop by deaths before a worker was ready", function()
    local one = new()
    for _ = 1, 20 do
      assert.is_false(select(2, one:died(1, 0.001)))
    end
    for i = 1, 4 do
      assert.is_false(select(2, one:died(1 + i, nil)))
    end
    assert.same({ 30, true }, { one:died(6, nil) })
    assert.same({ 30, true }, { one:died(100, nil) })
    assert.same({ 0, false }, { one:died(200, 1) })
    assert.is_false(select(2, one:died(201, nil)))
  end)

  it("forgets deaths that are long ago", function()
    local one = new()
    for i = 1, 40 do
      assert.is_false(select(2, one:died(i * 8, nil)))
    end
    assert.is_true(#one.unstable <= 5)
    one:reset()
    assert.equal(0, (one:died(400, nil)))
  end)
end)
