--- Reads the documentation that stands in the sources: `/*** */` blocks in C,
-- `---` comments in Lua, both with LuaCATS tags. The manual, the stubs and the
-- check are made from what this returns.
-- @module docs.blocks

local blocks = {}

local root = "libevent"

--- Splits off the type a text begins with: it ends at the first space that no
-- bracket encloses and that continues no list of types.
local function split_type(text)
  local depth = 0
  for at = 1, #text do
    local c = text:sub(at, at)
    if c:find "[%(%[{<]" then
      depth = depth + 1
    elseif c:find "[%)%]}>]" then
      depth = depth - 1
    elseif c:find "%s" and depth == 0 and not text:find("^%s*|", at)
        and not text:sub(1, at - 1):find "[|:,]%s*$" then
      return text:sub(1, at - 1):gsub("%s+", " "), text:match("%S.*", at) or ""
    end
  end
  return text:gsub("%s+", " "), ""
end

local function parse_param(text)
  local name, optional, rest = text:match "^([%w_.]+)(%??)%s*(.*)$"
  local type, about = split_type(rest or "")
  return { name = name, optional = optional == "?", type = type, text = about }
end

local function parse_return(text)
  local type, rest = split_type(text)
  local name, about = rest:match "^([%l_.][%w_.]*)%s*(.*)$"
  return { name = name, type = type, text = about or rest }
end

--- What a tag adds to its block.
local tags = {
  param = function(block, text)
    table.insert(block.params, parse_param(text))
  end,
  ["return"] = function(block, text)
    table.insert(block.returns, parse_return(text))
  end,
  module = function(block, text)
    block.kind, block.name = "module", text
  end,
  within = function(block, text)
    block.kind, block.name = "within", text
  end,
  classmod = function(block, text)
    block.kind, block.name = "class", text
  end,
  class = function(block, text)
    block.kind, block.name = "class", text:match "[%w_.]+"
  end,
  ["function"] = function(block, text)
    block.kind, block.name = "function", text
  end,
}

--- Makes a block of its lines; `code` is the line below it.
local function parse(block, lines, code)
  local texts, found = { "" }, {}
  for _, line in ipairs(lines) do
    local tag, text = line:match "^@(%a+)%s*(.*)$"
    if tag then
      found[#found + 1] = tag
      texts[#texts + 1] = text
    else
      texts[#texts] = texts[#texts] .. "\n" .. line
    end
  end
  for i, text in ipairs(texts) do
    texts[i] = text:match "^%s*(.-)%s*$"
  end
  block.text, block.code = texts[1], code
  block.params, block.returns, block.others = {}, {}, {}
  for i, tag in ipairs(found) do
    local add = tags[tag]
    if add then
      add(block, texts[i + 1])
    else
      table.insert(block.others, { tag = tag, text = texts[i + 1] })
    end
  end
  return block
end

local function parse_c(file, lines, list)
  local block, text
  for number, line in ipairs(lines) do
    if block then
      text[#text + 1] = line:match "^(.-)%s*%*/" or line
    elseif line:find "^/%*%*%*" then
      block = { file = file, line = number, lang = "c" }
      text = { line:match "^/%*%*%*%s*(.-)%s*%*/" or line:sub(5) }
    end
    if block and line:find "%*/" then
      list[#list + 1] = parse(block, text, lines[number + 1] or "")
      block.cname = block.code:match "([%w_]+)%s*%("
      block = nil
    end
  end
end

local function short(name)
  return name:match("^" .. root .. "%.(.+)$") or name
end

--- Names a Lua function as the manual does: by what owns it.
local function name_lua(block, owners)
  local variable = block.code:match "^local ([%w_]+)"
  if block.kind == "module" then
    owners[block.name:match "[%w_]+$"] = block.name
  elseif block.kind == "within" then -- a module whose functions the facade has
    owners[block.file:match "([%w_]+)%.lua$"] = block.name
  elseif block.kind == "class" and variable then
    owners[variable] = block.name
  elseif not block.kind then
    local owner, mark, name, arguments = blocks.definition(block.code)
    if owners[owner] then
      block.kind, block.arguments = "function", arguments
      block.name = (owners[owner] == root and root or short(owners[owner]))
        .. mark .. name
    end
  end
end

local function parse_lua(file, lines, list)
  local owners, block, text = {}, nil, nil
  for number, line in ipairs(lines) do
    local comment = line:match "^%-%-%-?%s?(.*)$"
    if block and not comment then
      list[#list + 1] = parse(block, text, line)
      name_lua(block, owners)
      block = nil
    elseif block then
      text[#text + 1] = comment
    elseif line:find "^%-%-%-" then
      block = { file = file, line = number, lang = "lua" }
      text = { comment }
    end
  end
end

--- Takes a line of Lua that defines a field as a function to pieces: owner,
-- `.` or `:`, name and arguments; nothing if it is not such a line.
function blocks.definition(line)
  local owner, mark, name, arguments =
    line:match "^function ([%w_]+)([.:])([%w_]+)%((.-)%)"
  if not owner then
    owner, mark, name, arguments =
      line:match "^([%w_]+)(%.)([%w_]+) = function%((.-)%)"
  end
  return owner, mark, name, arguments
end

--- Returns the names in backticks that follow a word in its sentences, such as
-- those of what a function wraps.
function blocks.names_after(text, word)
  local names = {}
  for sentence in text:gsub("%s+", " "):gmatch(word .. " (.-)%.%f[%s\0]") do
    for name in sentence:gmatch "`([%w_]+)`" do
      names[#names + 1] = name
    end
  end
  return names
end

--- Returns the lines of a file.
function blocks.lines(file)
  local lines = {}
  for line in io.lines(file) do
    lines[#lines + 1] = line
  end
  return lines
end

--- Returns the blocks of all files, in their order.
function blocks.read(files)
  local list = {}
  for _, file in ipairs(files) do
    local read = file:find "%.lua$" and parse_lua or parse_c
    read(file, blocks.lines(file), list)
  end
  return list
end

--- Whether a function in C makes objects, of the class that it stands beside or
-- of any where it is a method of a base.
local function makes(block, beside, at)
  local result = block.returns[1] and block.returns[1].type or ""
  if not result:find "^libevent%.[%w_]+%??$" then
    return false
  end
  return at.short == "event_base" or block.lang == "c" and beside
    and beside.kind == "class" and beside ~= at
end

--- Groups blocks into pages, one per module and class. A function belongs to
-- what its name begins with, wherever it stands; in C, one that stands beside
-- another class and returns an object makes it, as do methods of a base that
-- return one. The list is a map by name, too.
function blocks.pages(list)
  local pages, home = {}, {}
  local function page(name)
    if not pages[name] then
      pages[name] = { name = name, short = short(name), functions = {} }
      table.insert(pages, pages[name])
    end
    return pages[name]
  end
  for _, block in ipairs(list) do
    if block.kind == "function" then
      local owner = block.name:match "^(.*)[.:]" or root
      local at = page(owner == root and root or root .. "." .. owner)
      local beside = home[block.file]
      block.makes = makes(block, beside, at)
      table.insert(at.functions, block)
    elseif block.kind and block.kind ~= "within" then
      local at = page(block.name)
      at.kind, at.block = block.kind, at.block or block
      home[block.file] = at
    end
  end
  for _, at in ipairs(pages) do
    at.kind = at.kind or "class"
    local block = at.block -- a module may be called like a class, too
    if block and block.kind == "class" and block.lang == "c"
        and at.short ~= "object" then
      at.parent = pages[root .. ".object"]
    end
  end
  table.sort(pages, function(a, b)
    return a.name < b.name
  end)
  return pages
end

--- Returns the pages of the manual: a class in Lua whose objects have no name
-- is for the modules themselves.
function blocks.manual(list)
  local pages = blocks.pages(list)
  for i = #pages, 1, -1 do
    local block = pages[i].block
    if block and block.lang == "lua" and block.kind == "class"
        and not block.code:find "__name" then
      pages[pages[i].name] = nil
      table.remove(pages, i)
    end
  end
  return pages
end

return blocks
