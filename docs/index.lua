-- Writes the index of the manual that `libevent.docs` searches: a Lua file with
-- the text of each function, module and class, as a terminal shows it.
--
--   lua5.4 docs/index.lua OUTPUT FILES...

local blocks = require "docs.blocks"
local examples = require "docs.examples".read()

local width = 79

--- A text without markup: references and code are just their words.
local function plain(text)
  return (text:gsub("@{([^|}]+)|?[^}]*}", "%1"):gsub("`([^`]+)`", "%1"))
end

--- Fills lines with the words of a paragraph.
local function fill(write, text, first, indent)
  local line, empty = first, true
  for word in text:gmatch "%S+" do
    if not empty and utf8.len(line) + 1 + utf8.len(word) > width then
      write(line)
      line, empty = indent, true
    end
    line = empty and line .. word or line .. " " .. word
    empty = false
  end
  if not empty then
    write(line)
  end
end

--- Lays out a text: paragraphs, and lists whose items begin with a dash.
local function lay_out(write, text, indent)
  local paragraph, mark = {}, ""
  local function finish()
    fill(write, table.concat(paragraph, " "), indent .. mark,
      indent .. (" "):rep(#mark))
    paragraph, mark = {}, ""
  end
  for line in (plain(text) .. "\n"):gmatch "(.-)\n" do
    local item = line:match "^%- (.*)"
    if item or line == "" then
      finish()
    end
    if item then
      mark = "- "
    elseif line == "" then
      write ""
    end
    paragraph[#paragraph + 1] = item or line
  end
  finish()
end

--- A call as Lua's manual has it: what may be left out stands in brackets.
local function signature(block)
  local text, open = "", 0
  for i, param in ipairs(block.params) do
    local optional = param.optional and param.name ~= "..."
    local comma = i > 1 and ", " or ""
    if optional then
      comma = (i > 1 and " [" or "[") .. comma
      open = open + 1
    end
    text = text .. comma .. param.name
  end
  return ("%s(%s%s)"):format(block.name, text, ("]"):rep(open))
end

local function show_type(type)
  return (type:gsub("%?$", "|nil"):gsub("%s*|%s*", " or "))
end

--- Parameters, or what is returned.
local function write_values(write, title, values)
  if #values == 0 then
    return
  end
  write ""
  write(title)
  for _, value in ipairs(values) do
    fill(write, ("%s: %s%s"):format(value.name or "", show_type(value.type),
      value.optional and ", optional" or ""), "  ", "    ")
    if value.text ~= "" then
      lay_out(write, value.text, "    ")
    end
  end
end

--- Code, which is indented.
local function write_code(write, title, text)
  write ""
  write(title)
  for line in (text .. "\n"):gmatch "(.-)\n" do
    write("  " .. line)
  end
end

--- The first sentence.
local function summary(text)
  text = plain(text):gsub("%s+", " ")
  return text:match "^(.-%.) " or text
end

--- The functions of libevent that a text says it stands for.
local function wrapped(text)
  local names = blocks.names_after(text, "Wraps")
  local others = blocks.names_after(text, "Does the work of")
  return table.move(others, 1, #others, #names + 1, names)
end

local function gather(produce)
  local lines = {}
  produce(function(line)
    lines[#lines + 1] = line:match "^(.-)%s*$"
  end)
  return table.concat(lines, "\n") .. "\n"
end

local function function_entry(block)
  local example = examples[block.name]
  return {
    name = block.name,
    summary = summary(block.text),
    wraps = wrapped(block.text),
    text = gather(function(write)
      fill(write, signature(block), "", "    ")
      write ""
      lay_out(write, block.text, "")
      write_values(write, "Parameters:", block.params)
      write_values(write, "Returns:", block.returns)
      if example then
        write_code(write, "Example:", example.text)
      end
    end),
  }
end

local function page_entry(page)
  local text, members = page.block and page.block.text or "", {}
  local prelude = examples.preludes[page.short:match "[%w_]+$"]
  for i, block in ipairs(page.functions) do
    members[i] = block.name
  end
  return {
    name = page.name,
    summary = summary(text),
    members = members,
    parent = page.parent and page.parent.name,
    text = gather(function(write)
      write(("%s (a %s)"):format(page.name, page.kind))
      write ""
      lay_out(write, text, "")
      if prelude then
        write_code(write, prelude.title, prelude.text)
      end
    end),
  }
end

--- Writes a value as Lua: always in the same order, so that builds are alike.
local function write_value(write, value)
  if type(value) ~= "table" then
    return write(("%q"):format(value))
  end
  local keys = {}
  for key in pairs(value) do
    keys[#keys + 1] = type(key) == "string" and key or nil
  end
  table.sort(keys)
  write "{"
  for _, each in ipairs(value) do
    write_value(write, each)
    write ",\n"
  end
  for _, key in ipairs(keys) do
    write(key .. "=")
    write_value(write, value[key])
    write ",\n"
  end
  write "}"
end

local out, files = arg[1], { table.unpack(arg, 2) }
local entries = {}
for _, page in ipairs(blocks.manual(blocks.read(files))) do
  table.insert(entries, page_entry(page))
  for _, block in ipairs(page.functions) do
    table.insert(entries, function_entry(block))
  end
end

local file <close> = assert(io.open(out, "w"))
file:write "return "
write_value(function(text)
  file:write(text)
end, entries)
file:write "\n"
