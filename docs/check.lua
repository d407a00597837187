-- Checks the documentation in the sources; tells what it finds, and fails.
--
--   lua5.4 docs/check.lua FILES...

local blocks = require "docs.blocks"
local examples = require "docs.examples"

local list = blocks.read(arg)
local pages = blocks.pages(list)
local failures = 0

local function fail(file, line, text, ...)
  failures = failures + 1
  io.stderr:write(("%s:%d: "):format(file, line), text:format(...), "\n")
end

local function complain(block, ...)
  fail(block.file, block.line, ...)
end

--- Everything that `@{name}` may name.
local known = {}

for _, page in ipairs(pages) do
  known[page.name], known[page.short] = true, true
  for _, block in ipairs(page.functions) do
    if known[block.name] and block.name ~= page.name
        and not pages[block.name] then
      complain(block, "%s is documented twice", block.name)
    end
    known[block.name] = true
  end
end

--- The text: a sentence that stands by itself in a list, then the rest.
local function check_text(block)
  local first = block.text:match "^(.-%.)%s" or block.text:match "^.*%.$"
  if block.text == "" then
    complain(block, "no description")
  elseif not first then
    complain(block, "the first sentence has no end")
  elseif first:find "^%l" and not first:find "^libevent" then
    complain(block, "the first sentence does not begin with a capital")
  elseif first:find "%sWraps%s" then
    complain(block, "'Wraps' must begin a sentence of its own")
  end
end

--- References, in the text and in what the tags say.
local function check_references(block)
  local texts = { block.text }
  for _, set in ipairs { block.params, block.returns } do
    for _, value in ipairs(set) do
      texts[#texts + 1] = value.text
      for class in value.type:gmatch "libevent%.[%w_.]+" do
        if not pages[class] then
          complain(block, "no class is called '%s'", class)
        end
      end
    end
  end
  for name in table.concat(texts, "\n"):gmatch "@{([^|}]+)" do
    if not known[name] then
      complain(block, "nothing is called '%s'", name)
    end
  end
end

local function check_params(block)
  local seen, optional = {}, false
  for i, param in ipairs(block.params) do
    local name = param.name
    if not name or param.type == "" then
      complain(block, "@param %d needs a name and a type", i)
    elseif seen[name] then
      complain(block, "@param %s stands there twice", name)
    elseif optional and not param.optional and name ~= "..." then
      complain(block, "@param %s comes after an optional one", name)
    elseif param.type:find "%?$" then
      complain(block, "@param %s: the ? belongs to the name", name)
    end
    seen[name or i], optional = true, optional or param.optional
  end
end

local function check_returns(block)
  for i, value in ipairs(block.returns) do
    if value.type == "" or not value.name then
      complain(block, "@return %d needs a type and a name", i)
    end
  end
end

--- The parameters of a Lua function are those of its definition.
local function check_arguments(block)
  local names = {}
  for _, param in ipairs(block.params) do
    names[#names + 1] = param.name
  end
  local documented = table.concat(names, ", ")
  if block.arguments and block.arguments ~= documented then
    complain(block, "it takes (%s), but (%s) is documented", block.arguments,
      documented)
  end
end

--- How a C function looks at an argument.
local looks = {
  "_check%w*%(L, (%d+)", "_opt%w*%(L, (%d+)", "_setcallback%(.*, (%d+)%)",
}

--- A function that looks at more arguments than are documented hides some.
local function check_looks(block)
  local lines, at = blocks.lines(block.file), block.line
  local most = #block.params + (block.name:find ":" and 1 or 0)
  while lines[at] and not lines[at]:find "^}" do
    for _, look in ipairs(looks) do
      if tonumber(lines[at]:match(look) or 0) > most then
        complain(block, "line %d looks at one more argument", at)
      end
    end
    at = at + 1
  end
end

local function check_block(block)
  if block.kind then
    check_text(block)
    check_references(block)
    check_params(block)
    check_returns(block)
    check_arguments(block)
  end
  if block.lang ~= "c" then
    return
  elseif not block.kind then
    complain(block, "no @function, @classmod or @module")
  elseif block.kind == "function"
      and not block.code:find "^[%w_ ]+%(lua_State %*L%)" then
    complain(block, "no function right below it")
  elseif block.kind == "function" then
    check_looks(block)
  end
end

--- One row of a luaL_Reg table, `{ "name", l_function }`.
local function check_row(file, number, name, cname, block)
  if not block then
    fail(file, number, "%s has no block above its definition", cname)
  elseif name ~= (block.name or ""):match "[%w_]+$" then
    fail(file, number, "'%s' is documented as %s", name, block.name or "?")
  end
end

local function check_registered(file, documented, registered)
  for number, line in ipairs(blocks.lines(file)) do
    for name, cname in line:gmatch '{ "([%w_]+)", (l_[%w_]+) }' do
      registered[cname] = true
      if not name:find "^__" then -- metamethods speak for themselves
        check_row(file, number, name, cname, documented[cname])
      end
    end
  end
end

local function check_c(files)
  local documented, registered = {}, {}
  for _, block in ipairs(list) do
    if block.lang == "c" and block.cname then
      documented[block.cname] = block
    end
  end
  for _, file in ipairs(files) do
    if not file:find "%.lua$" then
      check_registered(file, documented, registered)
    end
  end
  for cname, block in pairs(documented) do
    if block.kind == "function" and not registered[cname] then
      complain(block, "%s is registered nowhere", cname)
    end
  end
end

--- What a Lua module exports: each field of a table at the top of the file that
-- is a function and no private one.
local function check_lua(file)
  local lines = blocks.lines(file)
  if not lines[1]:find "^%-%-%- " then
    fail(file, 1, "no --- block at the top")
  end
  for number, line in ipairs(lines) do
    local _, _, name = blocks.definition(line)
    if name and not name:find "^_"
        and not (lines[number - 1] or ""):find "^%-%-" then
      fail(file, number, "no --- block above %s", name)
    end
  end
end

--- Each function has one example, each example a function.
local function check_examples()
  local found, functions = examples.read(), {}
  for _, page in ipairs(blocks.manual(list)) do
    for _, block in ipairs(page.functions) do
      functions[block.name] = true
      if not found[block.name] then
        complain(block, "%s has no example", block.name)
      end
    end
  end
  for _, example in ipairs(found) do
    if not functions[example.name] then
      complain(example, "no function is called '%s'", example.name)
    elseif found[example.name] ~= example then
      complain(example, "%s has an example already", example.name)
    end
  end
end

for _, page in ipairs(pages) do
  if not page.block then
    complain(page.functions[1], "%s has no @classmod or @module", page.name)
  end
end
for _, block in ipairs(list) do
  check_block(block)
end
check_examples()
check_c(arg)
for _, file in ipairs(arg) do
  if file:find "%.lua$" then
    check_lua(file)
  end
end
os.exit(failures == 0)
