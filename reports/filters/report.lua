-- Used by Quarto and by the embedded renderer alike: what the theme needs and Markdown cannot say.
--   tables    header cells get a scope, the first column names its row (HTML); size and page breaks by length (PDF);
--             cells in a smaller style of their own (Word); the paragraph before a table stays with it (PDF, Word)
--   figures   Word gets PNG
--   downloads a link with a `download` attribute carries its file with it (HTML)
--   headline  the boxed answer and its large number

local html = FORMAT:match("html") ~= nil
local typst = FORMAT:match("typst") ~= nil
local docx = FORMAT:match("docx") ~= nil

local STYLES = {["headline"] = "Headline", ["headline-number"] = "Headline Number",
  ["headline-label"] = "Headline Label", ["headline-range"] = "Headline Range"}

local function scoped(rows, first, scope)
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row.cells) do
      if not first or i == 1 then cell.attributes.scope = scope end
    end
  end
end

local SHORT, BRIEF, LONG = 8, 800, 40  -- up to SHORT rows and BRIEF bytes a table is kept on one printed page;
                                         -- from LONG rows on it is set smaller

local function printed(tbl)
  local rows = 0
  for _, body in ipairs(tbl.bodies) do rows = rows + #body.body end
  local rule = (rows <= SHORT and #pandoc.utils.stringify(tbl) <= BRIEF and "#show figure: set block(breakable: false)")
    or (rows >= LONG and "#show table: set text(size: 8pt)\n#set table(inset: (x: 4pt, y: 2pt))")
  if not rule then return nil end
  return {pandoc.RawBlock("typst", "#[\n" .. rule), tbl, pandoc.RawBlock("typst", "]")}
end

local function styled(rows, style)
  for _, row in ipairs(rows) do
    for _, cell in ipairs(row.cells) do
      cell.contents = {pandoc.Div(cell.contents, pandoc.Attr("", {}, {{"custom-style", style}}))}
    end
  end
end

function Table(tbl)
  if typst then return printed(tbl) end
  if docx then
    styled(tbl.head.rows, "Table Heading")
    for _, body in ipairs(tbl.bodies) do styled(body.body, "Table Text") end
    return tbl
  end
  if not html then return nil end
  scoped(tbl.head.rows, false, "col")
  for _, body in ipairs(tbl.bodies) do
    body.row_head_columns = 1
    scoped(body.body, true, "row")
  end
  return tbl
end

local function opens_table(block)
  return block and (block.t == "Table" or (block.t == "RawBlock" and block.text:match("^#%[\n")))
end

function Blocks(blocks)
  if html then return nil end
  local out = pandoc.Blocks({})
  for i, block in ipairs(blocks) do
    if block.t == "Para" and opens_table(blocks[i + 1]) then
      if typst then
        out:extend({pandoc.RawBlock("typst", "#block(sticky: true, above: 0.95em, below: 0.95em)["), block,
          pandoc.RawBlock("typst", "]")})
      else
        out:insert(pandoc.Div({block}, pandoc.Attr("", {}, {{"custom-style", "Lead In"}})))
      end
    else
      out:insert(block)
    end
  end
  return out
end

function Image(image)
  if docx then
    image.src = image.src:gsub("%.svg$", ".png")
    return image
  end
end

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function base64(bytes)
  local out = {}
  for i = 1, #bytes, 3 do
    local a, b, c = bytes:byte(i, i + 2)
    local n = a * 65536 + (b or 0) * 256 + (c or 0)
    for k = 3, 0, -1 do
      local digit = (n >> (6 * k)) & 63
      local pad = (k == 0 and not c) or (k == 1 and not b)
      out[#out + 1] = pad and "=" or ALPHABET:sub(digit + 1, digit + 1)
    end
  end
  return table.concat(out)
end

function Link(link)
  if html and link.attributes.download and not link.target:match("^data:") then
    local _, bytes = pandoc.mediabag.fetch(link.target)
    link.target = "data:text/csv;charset=utf-8;base64," .. base64(bytes)
    return link
  end
end

function Div(div)
  if not div.classes:includes("headline") then return nil end
  if typst then
    return {pandoc.RawBlock("typst", "#headline["), div, pandoc.RawBlock("typst", "]")}
  elseif docx then
    div.attributes["custom-style"] = STYLES["headline"]
    return div
  end
end

function Span(span)
  local class = span.classes[1]
  if not STYLES[class] then return nil end
  if typst then
    return {pandoc.RawInline("typst", "#" .. class .. "["), span, pandoc.RawInline("typst", "]")}
  elseif docx then
    span.attributes["custom-style"] = STYLES[class]
    return span
  end
end
