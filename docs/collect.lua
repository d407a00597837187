-- Prepares the manual: gathers the blocks of all sources into one LDoc file per
-- page, in the folder pages, the topics, with references in the form LDoc
-- resolves, and the programs of examples/.
--
--   lua5.4 docs/collect.lua OUTDIR FILES...
--
-- LDoc cannot do this from the sources alone: it makes a page of a file, but a
-- class has its constructor beside another class and what all share in a third
-- file. Nor does it know LuaCATS types.

local blocks = require "docs.blocks"
local examples = require "docs.examples".read()
local headers = require "docs.headers"

local out, files = arg[1], { table.unpack(arg, 2) }
local pages = blocks.manual(blocks.read(files))
local broken = {}

--- LDoc's names of everything a text may refer to.
local targets = {}

for _, page in ipairs(pages) do
  for _, block in ipairs(page.functions) do
    targets[block.name] = page.name .. block.name:match "[.:][%w_]+$"
  end
end
for _, page in ipairs(pages) do
  targets[page.name], targets[page.short] = page.name, page.name
end

local function reference(name)
  return ("<code>@{%s|%s}</code>"):format(targets[name], name)
end

--- Resolves `@{name}`, and makes a reference of each name that is documented
-- and stands in backticks.
local function link(text, where)
  text = text:gsub("`([%w_]+[.:][%w_.:]+)`", function(name)
    return targets[name] and reference(name)
  end)
  return (text:gsub("@{([^|}]+)}", function(name)
    if targets[name] then
      return reference(name)
    end
    broken[#broken + 1] = ("%s: nothing is called '%s'"):format(where, name)
  end))
end

--- A type in HTML, with references to classes and nothing for Markdown to do.
local function show_type(type, note)
  type = type:gsub("^(.-)%?$", "%1 or nil"):gsub("[<>*_%[%]]", function(c)
    return ("&#%d;"):format(c:byte())
  end)
  type = type:gsub("libevent[%w.&#;]+", function(name)
    local plain = name:gsub("&#95;", "_")
    return targets[plain] and ("@{%s|%s}"):format(plain, plain)
  end)
  return ('<span class="type">%s%s</span>'):format(type, note)
end

--- Markdown wants an empty line above a list.
local function show_text(text, where)
  return link((text:gsub("\n%- ", "\n\n- ", 1)), where)
end

local function write_function(write, page, block)
  local where = ("%s:%d"):format(block.file, block.line)
  write("--[==[--", show_text(block.text, where), "@function " .. block.name)
  for _, param in ipairs(block.params) do
    write(("@param%s %s %s %s"):format(param.optional and "[opt]" or "",
      param.name, show_type(param.type, param.optional and ", optional" or ""),
      show_text(param.text, where)))
  end
  for _, value in ipairs(block.returns) do
    write(("@return <code>%s</code> %s %s"):format(value.name or "",
      show_type(value.type, ""), show_text(value.text, where)))
  end
  local example = examples[block.name]
  if example then
    write("@usage", example.text)
  end
  if block.makes then
    write "@within Constructors"
  elseif page.kind == "class" then
    write "@within Methods"
  end
  write "]==]\n"
end

local function write_page(write, page)
  local block = page.block or { text = "", file = page.name, line = 0 }
  write("--[==[--", show_text(block.text, block.file .. ":" .. block.line))
  if page.parent then
    write("\nIt has the methods of " .. reference(page.parent.name) .. " too.")
  end
  local tag = page.kind == "class" and "classmod" or "module"
  local prelude = examples.preludes[page.short:match "[%w_]+$"]
  if prelude then
    write("\n" .. prelude.title, "@usage", prelude.text)
  end
  write(("@%s %s"):format(tag, page.name), "@pragma nostrip", "]==]\n")
  for _, each in ipairs(page.functions) do
    write_function(write, page, each)
  end
end

local function save(name, produce)
  local file <close> = assert(io.open(out .. "/" .. name, "w"))
  produce(function(...)
    file:write(table.concat({ ... }, "\n"), "\n")
  end)
end

--- Copies a topic; what stands in its samples is no reference. All topics are
-- in one folder of the manual.
local function write_topic(write, name)
  local sample = false
  for number, line in ipairs(blocks.lines(name)) do
    if line:find "^```" then
      sample = not sample
    end
    local text = link(line, name .. ":" .. number)
    write(sample and line or text:gsub("%]%(([%w_]+%.md)%)", "](%1.html)"))
  end
end

--- The pages of LDoc's examples are called as the files without their folders,
-- so those must become a part of the name.
local function copy_programs()
  for _, name in ipairs(headers.output "cd examples && find . -name '*.lua'") do
    save("examples/" .. name:sub(3):gsub("/", "-"), function(write)
      write(table.unpack(blocks.lines("examples/" .. name)))
    end)
  end
end

-- Pages of an earlier run would stay in the manual.
os.execute(("rm -rf '%s' && mkdir -p '%s/guide' '%s/examples' '%s/pages'")
  :format(out, out, out, out))
for i, page in ipairs(pages) do -- LDoc keeps to the order of the files
  save(("pages/%03d.lua"):format(i), function(write)
    write_page(write, page)
  end)
end
for _, topic in ipairs(require "docs.topics") do
  save((topic:gsub("^docs/", "")), function(write)
    write_topic(write, topic)
  end)
end
copy_programs()
if #broken > 0 then
  io.stderr:write(table.concat(broken, "\n"), "\n")
  os.exit(1)
end
