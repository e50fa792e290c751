//! Finds the line of a field such as `allocate.to` or `reserved[1]` in the YAML text.

/// The line (from 1) of the field, or of the deepest of its parents in the text; `None` if not even the first
/// part is found. Follows block style; a field of a flow collection is found at the collection's line.
pub(super) fn line_of(text: &str, field: &str) -> Option<usize> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = None;
    let mut start = 0;
    let mut indent = 0;
    for part in field.split('.') {
        let (key, index) = match part.split_once('[') {
            Some((key, rest)) => (key, rest.trim_end_matches(']').parse::<usize>().ok()),
            None => (part, None),
        };
        let Some(at) = find_key(&lines, start, indent, key) else { break };
        found = Some(at + 1);
        start = at + 1;
        indent = indent_of_block(&lines, start);
        if let Some(item) = index.and_then(|index| find_item(&lines, start, index)) {
            found = Some(item + 1);
            start = item;
            indent = indent_of_key(lines[item]);
        }
    }
    found
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The indentation of the key in `line`, which may be an item's first.
fn indent_of_key(line: &str) -> usize {
    let item = if line.trim_start().starts_with("- ") { "- ".len() } else { 0 };
    indentation(line) + item
}

fn has_content(line: &str) -> bool {
    let trimmed = line.trim_start();
    !trimmed.is_empty() && !trimmed.starts_with('#') && trimmed != "---"
}

fn indent_of_block(lines: &[&str], start: usize) -> usize {
    lines.iter().skip(start).find(|line| has_content(line)).map_or(0, |line| indentation(line))
}

fn find_key(lines: &[&str], start: usize, indent: usize, key: &str) -> Option<usize> {
    lines.iter().enumerate().skip(start).filter(|(_, line)| has_content(line)).find_map(|(at, line)| {
        let name = line.trim_start().trim_start_matches("- ").split(':').next()?.trim_matches(['"', '\'']);
        (indent_of_key(line) == indent && name.trim_end() == key).then_some(at)
    })
}

fn find_item(lines: &[&str], start: usize, index: usize) -> Option<usize> {
    let indent = indent_of_block(lines, start);
    lines
        .iter()
        .enumerate()
        .skip(start)
        .take_while(|(_, line)| !has_content(line) || indentation(line) >= indent)
        .filter(|(_, line)| indentation(line) == indent && line.trim_start().starts_with('-'))
        .nth(index)
        .map(|(at, _)| at)
}

/// The line of the second `field` in the mapping that begins at `line` and `column`, all counted from 1.
pub(super) fn second_line_of(text: &str, field: &str, line: usize, column: usize) -> Option<usize> {
    let lines: Vec<&str> = text.lines().collect();
    let (start, indent) = (line.checked_sub(1)?, column.checked_sub(1)?);
    let first = find_key(&lines, start, indent, field)?;
    Some(find_key(&lines, first + 1, indent, field)? + 1)
}

#[cfg(test)]
mod tests {
    use super::line_of;

    const TEXT: &str = "\
# top
network: flatnet
allocate:
  # inner
  from: 10.87.1.2
  to: 10.87.1.9

reserved:
  - 10.87.1.3
  - 10.87.1.4
host_ports:
- protocol: tcp
  port: 53
- protocol: udp
  port: 0
dns: {servers: [1.1.1.1]}
";

    #[test]
    fn finds_keys_nested_keys_and_items() {
        for (field, line) in [
            ("network", Some(2)),
            ("allocate", Some(3)),
            ("allocate.to", Some(6)),
            ("reserved[1]", Some(10)),
            ("host_ports[1]", Some(14)),
            ("host_ports[1].protocol", Some(14)),
            ("host_ports[0].port", Some(13)),
            ("host_ports[1].port", Some(15)),
            ("dns.servers[0]", Some(16)),
            ("subnet", None),
        ] {
            assert_eq!(line_of(TEXT, field), line, "{field}");
        }
    }
}
