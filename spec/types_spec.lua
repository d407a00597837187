-- What the stubs and the docstrings say there is, beside what there really is.
describe("the stubs", function()
  local blocks = require "docs.blocks"
  local headers = require "docs.headers"
  local helper = require "spec.helper"
  local libevent = require "libevent"

  local files = headers.output "find csrc lua -name '*.c' -o -name '*.lua'"

  --- The stubs, by what they are of: the mark and the arguments of each
  -- function by its name; then their texts.
  local function read_stubs()
    local folder, stubs, shown = os.tmpname(), {}, {}
    os.remove(folder)
    assert(loadfile("docs/meta.lua", "t", setmetatable(
      { arg = { folder, table.unpack(files) } }, { __index = _G })))()
    for _, name in ipairs(headers.output("find " .. folder .. " -type f")) do
      local page = name:sub(#folder + 2, -5):gsub("/", ".")
      shown[page] = table.concat(blocks.lines(name), "\n")
      local variable, functions = page:match "[%w_]+$", {}
      for _, line in ipairs(blocks.lines(name)) do
        local owner, mark, field, arguments =
          line:match "^function ([%w_]+)([.:])([%w_]+)%((.*)%) end$"
        if owner then
          assert.equal(variable, owner, line)
          assert.is_nil(functions[field], line)
          functions[field] = { mark = mark, arguments = arguments }
        end
      end
      assert(load("local function check() " .. shown[page] .. "\nend"))
      stubs[page] = functions
    end
    os.execute("rm -rf " .. folder)
    return stubs, shown
  end

  local stubs, shown = read_stubs()

  --- Names of the functions in a table; those of another one are left out.
  local function functions_of(map, others)
    local found = {}
    for name, value in pairs(map) do
      if type(value) == "function" and not (others and others[name]) then
        found[name] = value
      end
    end
    return found
  end

  --- The facade with all that it loads on first use.
  local function facade()
    local all = {}
    local loader = getmetatable(libevent).__index
    for i = 1, math.huge do
      local name, value = debug.getupvalue(loader, i)
      if not name then
        break
      elseif type(value) == "table" and name ~= "_ENV" then
        for field in pairs(value) do
          assert.is_not_nil(libevent[field], field)
        end
      end
    end
    for name, value in pairs(libevent) do
      all[name] = value
    end
    return all
  end

  --- The methods of the types in C, by name: of a process of its own, since
  -- other specs may have loaded types that are not ours.
  local function types()
    local found = {}
    local output = helper.script [[
      require "libevent"
      for key, value in pairs(debug.getregistry()) do
        local name = type(key) == "userdata" and type(value) == "table"
          and rawget(value, "__name")
        if type(name) == "string" and name:find "^libevent%." then
          for field, method in pairs(value.__index) do
            assert(type(method) == "function")
            print(name, field)
          end
        end
      end]]
    for name, field in output:gmatch "(%S+)\t(%S+)\n" do
      found[name] = found[name] or {}
      found[name][field] = print
    end
    return found
  end

  --- Calls fn with each table that a module in Lua has, also as a local.
  local function each_table(value, fn, seen)
    if seen[value] then
      return
    elseif type(value) == "function" then
      seen[value] = true
      for i = 1, debug.getinfo(value, "u").nups do
        local _, upvalue = debug.getupvalue(value, i)
        each_table(upvalue, fn, seen)
      end
    elseif type(value) == "table" then
      seen[value] = true
      fn(value)
      for _, field in next, value do
        each_table(field, fn, seen)
      end
      each_table(debug.getmetatable(value), fn, seen)
    end
  end

  --- Classes in Lua, by name.
  local function classes()
    local found = {}
    local function note(map)
      local name = rawget(map, "__name")
      if type(name) == "string" and name:find "^libevent%."
          and rawget(map, "__index") == map then
        found[name] = map
      end
    end
    local seen = {}
    for _, file in ipairs(files) do
      local module = file:match "^lua/(libevent/?.*)%.lua$"
      local loaded = module and package.loaded[module:gsub("/init$", "")
        :gsub("/", ".")]
      each_table(loaded, note, seen)
    end
    return found
  end

  local pages = blocks.manual(blocks.read(files))

  --- What is documented on a page, by name.
  local function documented(name)
    local found = {}
    for _, block in ipairs(pages[name].functions) do
      found[block.name:match "[%w_]+$"] = block
    end
    return found
  end

  --- A function in Lua that is no part of the manual has a comment of two
  -- dashes: it is for other modules of this one.
  local function is_private(name, value)
    local info = debug.getinfo(value, "S")
    local lines = info.source:find "^@" and blocks.lines(info.source:sub(2))
    local _, _, defined = blocks.definition(lines and lines[info.linedefined]
      or "")
    local above = lines and lines[info.linedefined - 1] or ""
    return name:find "^_" ~= nil
      or defined == name and above:find "^%-%-" ~= nil
  end

  --- How many parameters a function in Lua is said to have is how many it has.
  local function check_parameters(name, value, count, varies)
    local info = debug.getinfo(value, "Su")
    if info.what == "Lua" then
      assert.equal(count, info.nparams, name .. " has so many parameters")
      assert.equal(varies, info.isvararg, name .. " has ...")
    end
  end

  --- Compares what is said with what is there, in both directions; `hidden`
  -- tells whether a function need not be documented.
  local function compare(name, said, there, hidden)
    for field in pairs(said) do
      assert.is_function(there[field], name .. " has " .. field)
    end
    for field, value in pairs(there) do
      assert.is_true(said[field] ~= nil
        or hidden ~= nil and hidden(field, value),
        ("%s: %s is documented"):format(name, field))
    end
  end

  it("have examples, as code", function()
    assert.matches("\n%-%-%-\n%-%-%- ```lua\n[^`]*mutex:lock%(%)\n[^`]*"
      .. "%-%-%- ```\n%-%-%-@return libevent.mutex mutex\n", shown.libevent)
  end)

  it("have the functions of the facade, and no other", function()
    local functions = functions_of(facade())
    compare("libevent", stubs.libevent, functions)
    for name, stub in pairs(stubs.libevent) do
      local _, count = stub.arguments:gsub("[%w_]+", "")
      check_parameters(name, functions[name], count,
        stub.arguments:find("...", 1, true) ~= nil)
    end
  end)

  it("have the functions of the modules in C", function()
    compare("evutil", stubs["libevent.evutil"], libevent.evutil)
    compare("posix", stubs["libevent.posix"], libevent.posix)
    local found, readline = pcall(require, "libevent.readline")
    if found then
      compare("readline", stubs["libevent.readline"], readline)
    end
  end)

  it("have the methods of each type in C, and no other", function()
    local found, common = types(), stubs["libevent.object"]
    assert.is_not_nil(found["libevent.event_base"])
    for name, methods in pairs(found) do
      local said = stubs[name] or {}
      local own = {}
      for field, stub in pairs(said) do
        own[field] = stub.mark == ":" and stub or nil
      end
      compare(name, own, functions_of(methods, not own.base and common))
      for field in pairs(common) do
        assert.is_true(methods[field] ~= nil or field == "background",
          name .. " has " .. field)
      end
    end
  end)

  it("are of types and modules that there are", function()
    local found = types()
    local others = { libevent = true, ["libevent.object"] = true,
      ["libevent.readline"] = true }
    for name in pairs(stubs) do
      assert.is_true(others[name] or found[name] ~= nil
        or type(libevent[name:match "%.(.*)"]) == "table", name)
    end
  end)

  describe("and the manual", function()
    local function check(name, said, there)
      compare(name, said, there, is_private)
      for field, block in pairs(said) do
        local count = block.name:find ":" and 1 or 0
        local varies = false
        for _, param in ipairs(block.params) do
          varies = varies or param.name == "..."
          count = count + (param.name == "..." and 0 or 1)
        end
        check_parameters(block.name, there[field], count, varies)
      end
    end

    it("have the functions of the modules in Lua", function()
      for _, name in ipairs { "log", "service", "process" } do
        local said = documented("libevent." .. name)
        for field, block in pairs(said) do
          said[field] = block.lang == "lua" and block or nil
        end
        check(name, said, functions_of(libevent[name]))
      end
    end)

    it("have the methods of the classes in Lua, and no other", function()
      facade()
      local found = classes()
      for name, class in pairs(found) do
        assert.is_not_nil(pages[name], name .. " is documented")
        check(name, documented(name), functions_of(class))
      end
      for _, page in ipairs(pages) do
        local block = page.block
        if block.lang == "lua" and block.code:find "__name" then
          assert.is_not_nil(found[page.name], "there is " .. page.name)
        end
      end
    end)
  end)
end)
