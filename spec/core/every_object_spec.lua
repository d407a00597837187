-- What holds for every object: once closed it refuses all but being closed, it
-- keeps its base, cycles do not keep it, and finalizers may do what they like.

local helper = require "spec.helper"
local libevent = require "libevent"

--- Each makes an object of a base that is idle, with a callback if it has any.
local objects = {
  timer = function(base, fn)
    return base:timer(fn)
  end,
  event = function(base, fn)
    return base:event(-1, "", fn)
  end,
  signal = function(base, fn)
    return base:signal("USR1", fn)
  end,
  evconnlistener = function(base, fn)
    return base:listener("127.0.0.1:0", { disabled = true }, fn)
  end,
  bufferevent = function(base, fn)
    local bev = base:bufferevent((libevent.socketpair()))
    bev:setcb { read = fn, write = fn, event = fn }
    bev:input():add_cb(fn)
    return bev
  end,
  ["end of a pair"] = function(base, fn)
    local bev = base:pair()
    bev:setcb { read = fn, write = fn, event = fn }
    return bev
  end,
  ["view of a bufferevent"] = function(base, fn)
    local bev = base:bufferevent((libevent.socketpair()))
    bev:input():add_cb(fn)
    return bev:input()
  end,
  stream = function(base, fn)
    local stream = base:stream((libevent.socketpair()))
    stream:setcb { write = fn }
    return stream
  end,
  udp = function(base)
    return base:udp "127.0.0.1:0"
  end,
  condition = function(base)
    return base:condition()
  end,
  socket = function()
    return (libevent.socketpair())
  end,
  evbuffer = function(_, fn)
    local buffer = libevent.evbuffer "x"
    buffer:add_cb(fn)
    return buffer
  end,
}

--- Those that end by themselves, or are closed.
local pending = {
  task = function(base, fn)
    return base:task(fn)
  end,
  process = function(base)
    return base:process { "sleep", "100" }
  end,
}

local baseless = { socket = true, evbuffer = true }

--- Fails unless an object that is closed refuses everything else.
local function refuses(object, name)
  assert.is_true(object:is_closed(), name)
  assert.matches("^libevent%.%l+: 0x%x+ closed$", tostring(object))
  object:close()
  for method, fn in pairs(debug.getmetatable(object).__index) do
    if method ~= "close" and method ~= "is_closed" then
      local ok, message = pcall(fn, object, 1, 2)
      assert.is_false(ok, name .. ":" .. method)
      assert.matches("attempt to use a closed", message, 1, true, name)
    end
  end
end

local function each(kinds, fn)
  for name, make in pairs(kinds) do
    fn(name, make)
  end
end

--- A body for `it` that fails if a descriptor is left.
local function clean(fn)
  return function()
    collectgarbage()
    local before = helper.descriptors()
    fn()
    collectgarbage()
    collectgarbage()
    assert.equal(before, helper.descriptors(), "descriptors left open")
  end
end

describe("every object", function()
  it("refuses everything once it is closed", clean(function()
    for _, kinds in ipairs { objects, pending } do
      each(kinds, function(name, make)
        local base <close> = libevent.event_base()
        local object = make(base, print)
        object:close "now"
        refuses(object, name)
      end)
    end
  end))

  it("is closed at the end of a block", clean(function()
    each(objects, function(name, make)
      local base <close> = libevent.event_base()
      local outer
      do
        local object <close> = make(base, print)
        outer = object
      end
      refuses(outer, name)
    end)
  end))

  it("refuses everything once its base is closed", clean(function()
    for _, kinds in ipairs { objects, pending } do
      each(kinds, function(name, make)
        local base = libevent.event_base()
        local object = make(base, print)
        base:close()
        if not baseless[name] then
          refuses(object, name)
        end
        object:close()
      end)
    end
  end))

  it("keeps its base", clean(function()
    each(objects, function(name, make)
      local object = make(libevent.event_base(), print)
      collectgarbage()
      collectgarbage()
      local base = object:base()
      if base then
        assert.equal("empty", base:loop(), name)
        base:close()
      end
      object:close()
    end)
  end))

  it("is collected in a cycle with its callback", clean(function()
    local base <close> = libevent.event_base()
    each(objects, function(name, make)
      local probe = setmetatable({}, { __mode = "k" })
      do
        local object
        object = make(base, function()
          return object
        end)
        probe[object] = true
      end
      collectgarbage()
      collectgarbage()
      assert.is_nil(next(probe), name)
    end)
  end))

  it("is collected with its base, though it is pending", clean(function()
    local probe = setmetatable({}, { __mode = "k" })
    do
      local base = libevent.event_base()
      local function callback()
        return base
      end
      for name, kinds in pairs { objects, pending } do
        each(kinds, function(_, make)
          local object = make(base, callback)
          probe[object] = name
          pcall(function()
            object:add(10)
          end)
          pcall(function()
            object:enable "r"
          end)
        end)
      end
    end
    for _ = 1, 4 do
      collectgarbage()
    end
    assert.is_nil(next(probe))
  end))
end)
