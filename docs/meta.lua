-- Writes LuaCATS stubs of everything that is written in C, for editors.
--
--   lua5.4 docs/meta.lua OUTDIR FILES...

local blocks = require "docs.blocks"
local examples = require "docs.examples".read()

local out, files = arg[1], { table.unpack(arg, 2) }

--- A text in one line, as a tag has it; references become plain code.
local function flat(text)
  return (text:gsub("%s*\n%s*", " "):gsub("@{([^|}]+)[^}]*}", "`%1`"))
end

local function write_text(write, text)
  text = text:gsub("@{([^|}]+)[^}]*}", "`%1`"):gsub("(.)$", "%1\n")
  for line in text:gmatch "(.-)\n" do
    write((("--- " .. line):gsub(" $", "")))
  end
end

local function write_code(write, text)
  for line in ("```lua\n" .. text .. "\n```\n"):gmatch "(.-)\n" do
    write((("--- " .. line):gsub(" $", "")))
  end
end

local function write_tag(write, ...)
  write((flat(table.concat({ ... }, " ")):gsub("%s+$", "")))
end

--- Tags that are nothing to us, such as `@field` and `@nodiscard`.
local function write_others(write, block)
  for _, other in ipairs(block.others) do
    write_tag(write, "---@" .. other.tag, other.text)
  end
end

local function write_function(write, block)
  local names, example = {}, examples[block.name]
  write_text(write, block.text)
  if example then
    write "---"
    write_code(write, example.text)
  end
  write_others(write, block)
  for i, param in ipairs(block.params) do
    names[i] = param.name
    write_tag(write, "---@param", param.name .. (param.optional and "?" or ""),
      param.type, param.text)
  end
  for _, value in ipairs(block.returns) do
    write_tag(write, "---@return", value.type, value.name or "#", value.text)
  end
  write(("function %s(%s) end\n"):format(
    block.name:match "[%w_]+[.:][%w_]+$", table.concat(names, ", ")))
end

local function write_stub(write, page)
  local block = page.block or { text = "", others = {} }
  local variable = page.name:match "[%w_]+$"
  write("---@meta " .. page.name .. "\n")
  write_text(write, block.text)
  write("---@class " .. page.name
    .. (page.parent and ": " .. page.parent.name or ""))
  write_others(write, block)
  write("local " .. variable .. " = {}\n")
  for _, each in ipairs(page.functions) do
    write_function(write, each)
  end
  write("return " .. variable)
end

--- What has functions in C: Lua modules speak for themselves in an editor.
local function is_native(page)
  for _, block in ipairs(page.functions) do
    if block.lang == "c" then
      return true
    end
  end
  return false
end

local function save(page)
  local name = out .. "/" .. page.name:gsub("%.", "/") .. ".lua"
  os.execute(("mkdir -p '%s'"):format(name:match "^(.*)/"))
  local file <close> = assert(io.open(name, "w"))
  write_stub(function(line)
    file:write(line, "\n")
  end, page)
end

for _, page in ipairs(blocks.pages(blocks.read(files))) do
  if is_native(page) then
    save(page)
  end
end
