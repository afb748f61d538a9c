//! [`CharMap`]: a table by character, in pages of 256.

const PAGE: usize = 256;

#[derive(Debug, Clone)]
pub(super) struct CharMap<T> {
    /// One more than the number of each page; 0: no page.
    numbers: Vec<u16>,
    pages: Vec<[T; PAGE]>,
}

impl<T: Copy + Default> Default for CharMap<T> {
    fn default() -> Self {
        Self { numbers: vec![0; char::MAX as usize / PAGE + 1], pages: Vec::new() }
    }
}

impl<T: Copy + Default> CharMap<T> {
    pub(super) fn get(&self, c: char) -> T {
        let page = usize::from(self.numbers[c as usize / PAGE]).checked_sub(1);
        page.map_or_else(T::default, |page| self.pages[page][c as usize % PAGE])
    }

    pub(super) fn entry(&mut self, c: char) -> &mut T {
        let number = &mut self.numbers[c as usize / PAGE];
        if *number == 0 {
            self.pages.push([T::default(); PAGE]);
            // There are 4352 pages at most.
            *number = u16::try_from(self.pages.len()).unwrap_or(u16::MAX);
        }
        &mut self.pages[usize::from(*number) - 1][c as usize % PAGE]
    }

    /// Every character of a page that is there, by code point.
    pub(super) fn iter(&self) -> impl Iterator<Item = (char, T)> {
        let numbers = (0_u32..).zip(&self.numbers).filter(|&(_, &number)| number > 0);
        numbers.flat_map(|(first, &number)| {
            let page = &self.pages[usize::from(number) - 1];
            (first << 8..)
                .zip(page)
                .filter_map(|(code, &value)| Some((char::from_u32(code)?, value)))
        })
    }
}
