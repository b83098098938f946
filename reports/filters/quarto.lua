-- Used by the embedded renderer alone: the part of Quarto's language that the reports use.
--   conditional content   ::: {.content-visible when-format="html"}
--   callouts              ::: {.callout-note title="…"}
--   cross-references      @fig-…, @tbl-…, numbered in order of appearance
--   fig-alt               becomes the image's alternative text

local html = FORMAT:match("html") ~= nil
local typst = FORMAT:match("typst") ~= nil
local docx = FORMAT:match("docx") ~= nil

local NAMES = {fig = "Figure", tbl = "Table"}
local numbers, counts = {}, {fig = 0, tbl = 0}

local function quoted(text)
  return '"' .. text:gsub("\\", "\\\\"):gsub('"', '\\"') .. '"'
end

-- ---------------------------------------------------------------- conditional content

local function conditional(div)
  if div.classes:includes("content-visible") then
    local wanted = div.attributes["when-format"]
    if (wanted == "html" and html) or (wanted == "typst" and typst) or (wanted == "docx" and docx) then
      return div.content
    end
    return {}
  end
end

-- ---------------------------------------------------------------- numbering

local function number(kind, id)
  if id:match("^" .. kind .. "%-") then
    if numbers[id] then error("two figures or tables are called " .. id) end
    counts[kind] = counts[kind] + 1
    numbers[id] = NAMES[kind] .. " " .. counts[kind]
  end
end

local count = {
  traverse = "topdown",
  Figure = function(figure) number("fig", figure.identifier) end,
  Table = function(tbl) number("tbl", tbl.identifier) end,
}

local function prefixed(id, blocks)
  if typst or not numbers[id] or not blocks[1] then return blocks end  -- Typst numbers by itself, in the same order
  blocks[1].content:insert(1, pandoc.Space())
  blocks[1].content:insert(1, pandoc.Strong(numbers[id] .. "."))
  return blocks
end

local function reference(cite)
  local id = cite.citations[1].id
  if not (id:match("^fig%-") or id:match("^tbl%-")) then return nil end
  if not numbers[id] then error("there is no figure or table " .. id) end
  return pandoc.Link(numbers[id], "#" .. id)
end

-- ---------------------------------------------------------------- figures, tables, callouts

local function alt_text(image)
  if image.attributes["fig-alt"] then
    image.caption = pandoc.Inlines({pandoc.Str(image.attributes["fig-alt"])})
    image.attributes["fig-alt"] = nil
  end
  return image
end

local function typst_figure(figure, image)
  local caption = figure.caption.long[1] and figure.caption.long[1].content or pandoc.Inlines({})
  local open = "#figure(image(" .. quoted(image.src) .. ", width: 100%, alt: " .. quoted(pandoc.utils.stringify(image.caption))
    .. "), caption: ["
  local inlines = pandoc.Inlines({pandoc.RawInline("typst", open)})
  inlines:extend(caption)
  inlines:insert(pandoc.RawInline("typst", "]) <" .. figure.identifier .. ">"))
  return pandoc.Plain(inlines)
end

local function figure(fig)
  local image
  fig:walk({Image = function(found) image = found end})
  if typst and image then return typst_figure(fig, image) end
  fig.caption.long = prefixed(fig.identifier, fig.caption.long)
  if html then  -- on a narrow screen the picture scrolls, and its caption stays
    local attributes = {{"tabindex", "0"}, {"role", "region"}, {"aria-label", numbers[fig.identifier] or "Figure"}}
    fig.content = {pandoc.Div(fig.content, pandoc.Attr("", {"figure-scroll"}, attributes))}
  end
  return fig
end

local function scrolling(tbl)
  tbl.caption.long = prefixed(tbl.identifier, tbl.caption.long)
  if not html then return tbl end
  local attributes = {{"tabindex", "0"}, {"role", "region"}}
  local caption = pandoc.utils.stringify(tbl.caption.long)
  attributes[3] = {"aria-label", caption ~= "" and caption or "Data behind the figure"}
  return pandoc.Div({tbl}, pandoc.Attr("", {"table-wrap"}, attributes))
end

local function callout(div)
  local kind
  for _, class in ipairs(div.classes) do kind = kind or class:match("^callout%-(%a+)$") end
  if not kind then return nil end
  local title = div.attributes.title or kind
  if typst then
    local open = "#callout(" .. quoted(kind) .. ", " .. quoted(title) .. ")["
    local blocks = pandoc.Blocks({pandoc.RawBlock("typst", open)})
    blocks:extend(div.content)
    blocks:insert(pandoc.RawBlock("typst", "]"))
    return blocks
  end
  local head = pandoc.Div({pandoc.Para({pandoc.Strong(title)})}, pandoc.Attr("", {"callout-title"}))
  local blocks = pandoc.Blocks({head})
  blocks:extend(div.content)
  if docx then return pandoc.Div(blocks, pandoc.Attr("", {}, {{"custom-style", "Callout"}})) end
  return pandoc.Div(blocks, pandoc.Attr("", {"callout", "callout-" .. kind}, {{"role", "note"}}))
end

return {
  {Div = conditional},
  {Image = alt_text},
  count,
  {Cite = reference},
  {Figure = figure, Table = scrolling, Div = callout},
}
