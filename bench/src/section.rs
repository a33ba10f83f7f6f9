//! A page with a section for each kind of machine, between two comments that Markdown does not show:
//!
//! ```text
//! <!-- machine: AMD -->
//! ...
//! <!-- end -->
//! ```

/// How the line before a section begins; its name follows.
const START: &str = "<!-- machine: ";
const END: &str = "<!-- end -->";

/// A page in which one machine's section is new. What it has from its first section on is kept byte for byte, except the
/// section of this name. A page without sections is written anew.
pub fn put(page: &str, head: &str, name: &str, text: &str) -> String {
    let mark = format!("{START}{name} -->");
    let section = format!("{mark}\n{}\n\n{END}", text.trim_end());
    let sections = page.find(START).map_or("", |at| &page[at..]);
    let Some((before, rest)) = sections.split_once(&mark) else {
        let before = if sections.is_empty() { String::new() } else { format!("{}\n\n", sections.trim_end()) };
        return format!("{head}\n{before}{section}\n");
    };
    // A section whose end was lost lasts until the next one.
    let next = rest.find(START).unwrap_or(rest.len());
    let after = match rest[..next].find(END) {
        Some(end) => &rest[end + END.len()..],
        None if next == rest.len() => "\n",
        None => &format!("\n\n{}", &rest[next..]),
    };
    format!("{head}\n{before}{section}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "# Old head\n\n<!-- machine: AMD -->\n## AMD\n\nold\n\n<!-- end -->\n\nBetween.\n\n\
                       <!-- machine: Intel -->\n## Intel  \n\n| a |\n\n<!-- end -->\nAfter.\n";

    #[test]
    fn the_own_section_is_replaced_and_the_rest_kept_byte_for_byte() {
        let page = put(TWO, "# Head\n", "AMD", "## AMD\n\nnew\n");
        assert_eq!(page, TWO.replace("old", "new").replace("# Old head", "# Head"));
        let page = put(TWO, "# Head\n", "Intel", "## Intel\n");
        assert_eq!(page, TWO.replace("## Intel  \n\n| a |", "## Intel").replace("# Old head", "# Head"));
    }

    #[test]
    fn the_first_section_of_a_kind_comes_after_the_others() {
        let page = put(TWO, "# Head\n", "Arm", "## Arm\n");
        let kept = TWO.replace("# Old head", "# Head");
        assert_eq!(page, format!("{kept}\n<!-- machine: Arm -->\n## Arm\n\n<!-- end -->\n"));
    }

    #[test]
    fn a_page_without_sections_is_written_anew() {
        let anew = "# Head\n\n<!-- machine: AMD -->\n## AMD\n\n<!-- end -->\n";
        assert_eq!(put("", "# Head\n", "AMD", "## AMD\n"), anew);
        assert_eq!(put("# A page of long ago\n\n| a |\n", "# Head\n", "AMD", "## AMD\n"), anew);
    }

    #[test]
    fn a_page_does_not_change_if_its_section_does_not() {
        let once = put(TWO, "# Head\n", "AMD", "## AMD\n");
        assert_eq!(put(&once, "# Head\n", "AMD", "## AMD\n"), once);
    }

    #[test]
    fn a_section_whose_end_was_lost_does_not_swallow_the_next() {
        let torn = TWO.replacen("<!-- end -->\n\nBetween.\n\n", "", 1);
        let page = put(&torn, "# Head\n", "AMD", "## AMD\n");
        let intel = TWO.split_once("Between.\n\n").unwrap().1;
        assert_eq!(page, format!("# Head\n\n<!-- machine: AMD -->\n## AMD\n\n<!-- end -->\n\n{intel}"));
    }
}
