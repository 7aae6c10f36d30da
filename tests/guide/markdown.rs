//! As much of Markdown as the pages use: fenced blocks, headings, links.

use std::collections::HashSet;

/// A fenced block.
#[derive(Debug)]
pub(crate) struct Block {
    /// Of the opening fence, counted from 1.
    pub(crate) line: usize,
    /// The first word of the fence: what is in the block.
    pub(crate) kind: String,
    /// The other words, `word` or `key=value`; what shows the page takes no notice of them.
    pub(crate) words: Vec<String>,
    /// What is between the fences.
    pub(crate) text: String,
}

impl Block {
    /// Whether the fence has this word.
    pub(crate) fn has(&self, word: &str) -> bool {
        self.words.iter().any(|own| own == word)
    }

    /// What is behind `key=` on the fence.
    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        let mut values = self
            .words
            .iter()
            .filter_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        values.next()
    }
}

/// The fenced blocks of a page, in order.
pub(crate) fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<(Block, usize)> = None;
    for (index, line) in page.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        if let Some((block, own_indent)) = &mut open {
            if line.trim() == "```" {
                blocks.extend(open.take().map(|(block, _)| block));
            } else {
                // A block in a list is as far to the right as its fence.
                block.text += line.get(indent.min(*own_indent)..).unwrap_or_default();
                block.text.push('\n');
            }
        } else if let Some(fence) = line.trim().strip_prefix("```") {
            let mut words = fence.split_whitespace().map(str::to_owned);
            let block = Block {
                line: index + 1,
                kind: words.next().unwrap_or_default(),
                words: words.collect(),
                text: String::new(),
            };
            open = Some((block, indent));
        }
    }
    assert!(open.is_none(), "a fence is not closed: {open:?}");
    blocks
}

/// The targets of the links of a page, each with its line.
pub(crate) fn links(page: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    for (line, prose) in prose(page) {
        let mut rest = prose.as_str();
        while let Some((_, behind)) = rest.split_once("](") {
            let (target, after) = behind.split_once(')').unwrap_or((behind, ""));
            links.push((line, target.to_owned()));
            rest = after;
        }
    }
    links
}

/// The code within the prose of a page, each with its line.
pub(crate) fn code(page: &str) -> Vec<(usize, String)> {
    let lines = prose_with_code(page);
    let codes = lines.flat_map(|(line, text)| {
        let codes = text.split('`').skip(1).step_by(2);
        codes.map(move |code| (line, code.to_owned()))
    });
    codes.collect()
}

/// The anchors of a page's headings, as GitHub makes them.
pub(crate) fn anchors(page: &str) -> HashSet<String> {
    let mut anchors = HashSet::new();
    for (_, line) in prose_with_code(page) {
        let heading = line.trim_start_matches('#');
        if heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let anchor: String = heading
            .trim()
            .to_lowercase()
            .chars()
            .filter(|character| character.is_alphanumeric() || "-_ ".contains(*character))
            .map(|character| if character == ' ' { '-' } else { character })
            .collect();
        let mut unique = anchor.clone();
        let mut count = 0;
        while !anchors.insert(unique.clone()) {
            count += 1;
            unique = format!("{anchor}-{count}");
        }
    }
    anchors
}

/// The rows of a page's tables whose first cell is code: that code, and the other cells.
pub(crate) fn rows(page: &str) -> Vec<(String, Vec<String>)> {
    let rows = prose_with_code(page).filter_map(|(_, line)| {
        let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
        let name = cells.next()?.strip_suffix('`')?.to_owned();
        Some((name, cells.map(str::to_owned).collect()))
    });
    rows.collect()
}

/// The lines outside of fenced blocks, each with its number, without the code in them.
fn prose(page: &str) -> impl Iterator<Item = (usize, String)> {
    prose_with_code(page).map(|(line, text)| (line, text.split('`').step_by(2).collect()))
}

fn prose_with_code(page: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut inside = false;
    page.lines().enumerate().filter_map(move |(index, line)| {
        let is_fence = line.trim_start().starts_with("```");
        inside ^= is_fence;
        (!inside && !is_fence).then_some((index + 1, line))
    })
}
